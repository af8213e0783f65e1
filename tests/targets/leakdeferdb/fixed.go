//go:build fixed
// +build fixed

package main

func (w *worker) run(jobs chan int) {
	for job := range jobs {
		w.one(job)
	}
}

func (w *worker) one(job int) {
	conn := w.use(job)
	defer conn.Close()
}
