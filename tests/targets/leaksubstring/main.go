// leaksubstring: a service that keeps the title of each document it is sent, cut from the whole text: 60 bytes hold
// 256 KiB. Titles lie in a map, in a channel's buffer and in structs. Beside it, as healthy services have them: a bounded
// cache of whole texts, buffers that are used again, and call sites that allocate and drop. -tags fixed keeps copies.
package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const documentBytes = 256 << 10

type article struct {
	id    int
	title string
	seen  time.Time
}

type service struct {
	mu       sync.Mutex
	titles   map[int]string
	recent   chan string
	articles []*article
	whole    [20]string
	buffers  sync.Pool
}

var site = &service{titles: map[int]string{}, recent: make(chan string, 4096)}

func (s *service) handle(id int) {
	buffer := s.buffers.Get().(*bytes.Buffer)
	defer s.buffers.Put(buffer)
	buffer.Reset()
	receive(buffer, id)
	s.store(id, buffer)
}

func receive(into *bytes.Buffer, id int) {
	into.WriteString("document " + strconv.Itoa(id) + ": ")
	line := strings.Repeat("all work and no play ", 50)
	for into.Len() < documentBytes-len(line) {
		into.WriteString(line)
	}
}

func (s *service) store(id int, text *bytes.Buffer) {
	title := titleOf(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch id % 3 {
	case 0:
		s.titles[id] = title
	case 1:
		select {
		case s.recent <- title:
		default:
		}
	case 2:
		s.articles = append(s.articles, &article{id, title, time.Now()})
	}
	if id%7 == 0 {
		s.whole[id/7%len(s.whole)] = text.String()
	}
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
	documents := 120
	if len(os.Args) > 1 {
		documents, _ = strconv.Atoi(os.Args[1])
	}
	site.buffers.New = func() interface{} { return new(bytes.Buffer) }
	for id := 0; id < documents; id++ {
		site.handle(id)
	}
	for n := 0; n < 6; n++ {
		go churn(n)
	}
	fmt.Println("READY")
	for id := documents; ; id++ {
		done := make(chan bool)
		go func() { site.handle(id); close(done) }()
		<-done
		time.Sleep(100 * time.Millisecond)
	}
}
