// manygoroutines N: healthy. N goroutines parked on one channel, for measuring how long a look takes.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func wait(quit chan struct{}) {
	<-quit
}

func main() {
	n := 1000
	if len(os.Args) > 1 {
		parsed, err := strconv.Atoi(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		n = parsed
	}
	quit := make(chan struct{})
	for i := 0; i < n; i++ {
		go wait(quit)
	}
	for i := 0; i < 3; i++ {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
	}
	fmt.Println("READY")
	time.Sleep(24 * time.Hour)
	close(quit)
}
