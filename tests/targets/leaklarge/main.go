// leaklarge: an image service keeps every thumbnail (64 KiB, 20 a second) beside uploads of 128 KiB that it lets go, 100
// a second: large objects, of which one line's stay and the other's, that allocates ten times as much, do not.
package main

import (
	"fmt"
	"time"
)

const (
	uploadBytes         = 128 << 10
	thumbnailBytes      = 64 << 10
	uploadsPerSecond    = 100
	thumbnailsPerSecond = 20
)

type service struct {
	recent     [16][]byte
	thumbnails [][]byte
}

//go:noinline
func (s *service) upload(i int) {
	s.recent[i%len(s.recent)] = make([]byte, uploadBytes)
}

//go:noinline
func (s *service) thumbnail() {
	s.thumbnails = append(s.thumbnails, make([]byte, thumbnailBytes)) // GROWS rate=1310720
}

// every calls f `rate` times a second by the wall clock, for ever.
func every(rate int, f func(i int)) {
	start := time.Now()
	for i := 0; ; i++ {
		f(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / time.Duration(rate))))
	}
}

func main() {
	s := &service{}
	go every(uploadsPerSecond, s.upload)
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	every(thumbnailsPerSecond, func(int) { s.thumbnail() })
}
