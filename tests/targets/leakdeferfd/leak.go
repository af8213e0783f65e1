//go:build !fixed
// +build !fixed

package main

func (w *worker) run(jobs chan string) {
	for job := range jobs {
		file := w.load(job)
		defer file.Close() // LEAK rate=10
	}
}
