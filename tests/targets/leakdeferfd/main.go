// leakdeferfd: a worker that never returns and defers the closing of each file that it opens, 10 a second; -tags fixed puts
// the loop's body into a function of its own.
package main

import (
	"fmt"
	"os"
	"time"

	"gotrace-leak.test/targets/busy"
)

const jobsPerSecond = 10

type worker struct{ read int }

func (w *worker) load(name string) *os.File {
	file, err := os.Open(name)
	if err != nil {
		panic(err)
	}
	w.read++
	return file
}

func main() {
	busy.Start()
	jobs := make(chan string)
	go (&worker{}).run(jobs)
	time.AfterFunc(2*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		jobs <- os.Args[0]
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / jobsPerSecond)))
	}
}
