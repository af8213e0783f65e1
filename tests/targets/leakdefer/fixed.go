//go:build fixed
// +build fixed

package main

func (p *pool) worker(jobs chan int) {
	for job := range jobs {
		func() {
			one := p.take(job)
			defer p.release(one)
		}()
	}
}
