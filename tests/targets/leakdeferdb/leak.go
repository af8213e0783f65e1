//go:build !fixed
// +build !fixed

package main

func (w *worker) run(jobs chan int) {
	for job := range jobs {
		conn := w.use(job)
		defer conn.Close() // LEAK rate=10
	}
}
