// benchgoroutines N: N parked goroutines, and one that wakes every millisecond and notes the longest time it could not.
//
// Reads commands from stdin: `gap` answers the longest gap since the last `gap`, in ns; `dump DEBUG` writes
// runtime/pprof's goroutine profile to nowhere and answers how long that took, in ns, and the bytes it had.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

var longest int64 // ns

func wait(quit chan struct{}) {
	<-quit
}

func watch() {
	last := time.Now()
	for {
		time.Sleep(time.Millisecond)
		now := time.Now()
		if gap := int64(now.Sub(last)); gap > atomic.LoadInt64(&longest) {
			atomic.StoreInt64(&longest, gap)
		}
		last = now
	}
}

type counter int

func (c *counter) Write(bytes []byte) (int, error) {
	*c += counter(len(bytes))
	return len(bytes), nil
}

func dump(debug int) {
	var bytes counter
	begin := time.Now()
	if err := pprof.Lookup("goroutine").WriteTo(&bytes, debug); err != nil {
		fail(err)
	}
	fmt.Println(time.Since(begin).Nanoseconds(), int(bytes))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "benchgoroutines:", err)
	os.Exit(2)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fail(err)
	}
	return n
}

func main() {
	n := 1000
	if len(os.Args) > 1 {
		n = number(os.Args[1])
	}
	quit := make(chan struct{})
	for i := 0; i < n; i++ {
		go wait(quit)
	}
	for i := 0; i < 3; i++ {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
	}
	go watch()
	fmt.Println("READY")
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		switch {
		case len(words) == 1 && words[0] == "gap":
			fmt.Println(atomic.SwapInt64(&longest, 0))
		case len(words) == 2 && words[0] == "dump":
			dump(number(words[1]))
		default:
			fail(fmt.Errorf("no such command: %q", commands.Text()))
		}
	}
	close(quit)
}
