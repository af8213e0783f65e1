// leaksubslice: a service that keeps the signature at the end of each upload: 30 bytes hold 256 KiB. Signatures lie in a
// map. Beside it, as healthy services have them: connections with buffers of which little is in use, a free list of
// buffers, slices that grow, whole uploads in a bounded cache. -tags fixed keeps copies.
package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const uploadBytes = 256 << 10

type connection struct {
	in   bytes.Buffer
	out  []byte
	used [][]byte
}

type service struct {
	mu          sync.Mutex
	signatures  map[string][]byte
	connections []*connection
	free        [][]byte
	whole       [20][]byte
	log         []int64
}

var site = &service{signatures: map[string][]byte{}}

func (s *service) handle(id int) {
	upload := receive(id)
	s.check(id, upload)
}

func receive(id int) []byte {
	upload := make([]byte, uploadBytes) // LEAK
	for i := range upload {
		upload[i] = byte(i * id)
	}
	return upload
}

func (s *service) check(id int, upload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signatures["upload "+strconv.Itoa(id)] = signatureOf(upload)
	s.log = append(s.log, int64(id))
	if id%7 == 0 {
		s.whole[id/7%len(s.whole)] = upload
	}
	one := s.connections[id%len(s.connections)]
	one.in.Reset()
	one.in.Write(upload[:100+id%1000])
	one.out = append(one.out[:0], upload[:id%50]...)
}

func (s *service) connect() {
	one := &connection{out: make([]byte, 0, 64<<10)}
	one.in.Grow(128 << 10)
	one.in.WriteString("hello")
	s.connections = append(s.connections, one)
	s.free = append(s.free, make([]byte, 100, 64<<10))
}

func churn(n int) {
	for {
		keep := make([][]byte, 0, 16)
		for i := 0; i < 16; i++ {
			keep = append(keep, make([]byte, (1+rand.Intn(8))<<(10+n)))
		}
		time.Sleep(time.Duration(len(keep)) * time.Millisecond)
	}
}

func main() {
	busy.Start()
	uploads := 120
	if len(os.Args) > 1 {
		uploads, _ = strconv.Atoi(os.Args[1])
	}
	for i := 0; i < 30; i++ {
		site.connect()
	}
	for id := 0; id < uploads; id++ {
		site.handle(id)
	}
	for n := 0; n < 6; n++ {
		go churn(n)
	}
	fmt.Println("READY")
	for id := uploads; ; id++ {
		done := make(chan bool)
		go func() { site.handle(id); close(done) }()
		<-done
		time.Sleep(100 * time.Millisecond)
	}
}
