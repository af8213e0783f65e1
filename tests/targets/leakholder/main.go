// leakholder HOLDER: a service that cuts the name from each document it reads, 50 bytes of 1 MiB, and keeps it in a
// package variable, a map, a channel's buffer or a struct; or, HOLDER "buffer", the few bytes that came into a big
// buffer. -tags fixed keeps copies. It has net/http/pprof, as services do: the runtime samples what it allocates.
package main

import (
	"fmt"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strings"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const (
	documentBytes      = 1 << 20
	documentsPerSecond = 3
)

type session struct {
	id    int
	title string
}

type service struct {
	mu       sync.Mutex
	holder   string
	names    map[int]string
	titles   chan string
	sessions []*session
	messages [][]byte
	recent   [4]string
	words    int
}

var (
	site   = &service{names: map[int]string{}, titles: make(chan string, 1000)}
	banner string
)

func (s *service) handle(id int) {
	if s.holder == "buffer" {
		s.words += parse(strings.Repeat("a b c ", documentBytes/16))
		s.keepMessage(receive(id))
		return
	}
	document := read(id)
	s.words += parse(document)
	s.index(id, document)
}

func read(id int) string {
	line := fmt.Sprintf("document %d has a line of sixty-four bytes, as this one here is.\n", id)
	size := documentBytes
	if site.holder == "variable" {
		size *= 4 // so that the runtime surely samples the only one
	}
	return strings.Repeat(line, size/len(line)) // LEAK rate=3145728
}

func receive(id int) []byte {
	buffer := make([]byte, 256<<10) // LEAK_BUFFER rate=786432
	n := copy(buffer, fmt.Sprintf("message %d", id))
	return buffer[:n]
}

// parse makes garbage, so that there are collections.
func parse(document string) (words int) {
	for i := 0; i < 3; i++ {
		words += len(strings.Fields(document))
	}
	return words
}

func (s *service) index(id int, document string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent[id%len(s.recent)] = document
	name := nameOf(document)
	switch s.holder {
	case "variable":
		if banner == "" || id == 4 {
			banner = name
		}
	case "map":
		s.names[id] = name
	case "channel":
		s.titles <- name
	case "struct":
		s.sessions = append(s.sessions, &session{id, name})
	}
}

func main() {
	site.holder = os.Args[1]
	busy.Start()
	go func() { _ = http.ListenAndServe("127.0.0.1:0", nil) }()
	for id := 0; id < 20; id++ {
		site.handle(id)
	}
	fmt.Println("READY")
	start := time.Now()
	for id := 20; ; id++ {
		done := make(chan bool)
		go func() { site.handle(id); close(done) }()
		<-done
		time.Sleep(time.Until(start.Add(time.Duration(id-19) * time.Second / documentsPerSecond)))
	}
}
