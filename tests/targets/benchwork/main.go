// benchwork MODE RATE: one core busy with RATE units of work a second, for measuring what tracing takes from it.
//
//	allocs     a unit is one allocation of 64 bytes
//	pingpong   a unit is one message to another goroutine and its answer, over unbuffered channels
//	spawns     a unit is one goroutine that starts, and is waited for in batches
//
// A unit is padded with arithmetic until it takes 1/RATE s, so that the core is always full and what is taken from it
// shows as time. Reads commands from stdin: `run MILLISECONDS` works so long and answers `units wall_ns cpu_ns`.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	kept [4096]*[64]byte // so that allocations are on the heap, and garbage soon
	next int
	sum  uint64
)

// pad takes about a nanosecond or less for each round; it can't be preempted into something cheaper.
//
//go:noinline
func pad(rounds int) {
	x := sum | 1
	for i := 0; i < rounds; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	sum = x
}

//go:noinline
func allocate() {
	kept[next&4095] = new([64]byte)
	next++
}

func allocs(n, rounds int) {
	for i := 0; i < n; i++ {
		allocate()
		pad(rounds)
	}
}

type pair struct{ ping, pong chan int }

func newPair() *pair {
	p := &pair{make(chan int), make(chan int)}
	go func() {
		for v := range p.ping {
			p.pong <- v
		}
	}()
	return p
}

func (p *pair) work(n, rounds int) {
	for i := 0; i < n; i++ {
		p.ping <- i
		<-p.pong
		pad(rounds)
	}
}

func spawns(n, rounds int) {
	const batch = 100
	var wait sync.WaitGroup
	for done := 0; done < n; done += batch {
		wait.Add(batch)
		for i := 0; i < batch; i++ {
			go wait.Done()
			pad(rounds)
		}
		wait.Wait()
	}
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err.Error())
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// perUnit is the CPU time of one unit, the least of several tries.
func perUnit(work func(n, rounds int), rounds int) float64 {
	const n = 20000
	least := 0.0
	for try := 0; try < 9; try++ {
		begin := cpuTime()
		work(n, rounds)
		if spent := float64(cpuTime()-begin) / n; try == 0 || spent < least {
			least = spent
		}
	}
	return least
}

// calibrate says how many rounds of padding make a unit last `wanted` ns; 0 when it is slower than that by itself.
func calibrate(work func(n, rounds int), wanted float64) int {
	const some = 1000
	bare, padded := perUnit(work, 0), perUnit(work, some)
	if bare >= wanted || padded <= bare {
		return 0
	}
	return int((wanted - bare) / (padded - bare) * some)
}

func run(work func(n, rounds int), rounds int, length time.Duration) {
	const step = 1000
	units, begin, cpu := 0, time.Now(), cpuTime()
	for time.Since(begin) < length {
		work(step, rounds)
		units += step
	}
	wall := time.Since(begin)
	fmt.Println(units, wall.Nanoseconds(), (cpuTime() - cpu).Nanoseconds())
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, "benchwork: "+text)
	os.Exit(2)
}

func main() {
	if len(os.Args) != 3 {
		fail("wants MODE and RATE")
	}
	rate, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil || rate <= 0 {
		fail("RATE is no number of units a second")
	}
	runtime.GOMAXPROCS(1) // one core is what the budget is a share of
	var work func(n, rounds int)
	switch os.Args[1] {
	case "allocs":
		work = allocs
	case "pingpong":
		work = newPair().work
	case "spawns":
		work = spawns
	default:
		fail("no such mode: " + os.Args[1])
	}
	rounds := calibrate(work, 1e9/rate)
	fmt.Println("READY")
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		if len(words) != 2 || words[0] != "run" {
			fail("no such command: " + commands.Text())
		}
		milliseconds, err := strconv.Atoi(words[1])
		if err != nil {
			fail(err.Error())
		}
		run(work, rounds, time.Duration(milliseconds)*time.Millisecond)
	}
}
