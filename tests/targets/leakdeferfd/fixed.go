//go:build fixed
// +build fixed

package main

func (w *worker) run(jobs chan string) {
	for job := range jobs {
		func() {
			file := w.load(job)
			defer file.Close()
		}()
	}
}
