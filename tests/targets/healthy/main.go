// healthy: a server with steady traffic and nothing wrong: HTTP over kept-alive connections, a bounded cache, a pool,
// short goroutines that all end, tickers that stop.
package main

import (
	"fmt"
	"io"
	"io/ioutil"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	cacheEntries = 2000
	clients      = 20
)

type cache struct {
	mu     sync.Mutex
	values map[int][]byte
	order  []int
}

func (c *cache) put(key, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key] = make([]byte, size)
	c.order = append(c.order, key)
	if len(c.order) > cacheEntries {
		delete(c.values, c.order[0])
		c.order = append(c.order[:0:0], c.order[1:]...)
	}
}

type server struct {
	cache cache
	jobs  chan chan int
}

// ServeHTTP fans out to the pool and to a goroutine that always finishes.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := make(chan int, 1)
	s.jobs <- reply
	side := make(chan struct{})
	go func() {
		time.Sleep(time.Millisecond)
		close(side)
	}()
	ticker := time.NewTicker(time.Millisecond)
	<-ticker.C
	ticker.Stop()
	<-side
	fmt.Fprintln(w, <-reply)
}

func (s *server) worker() {
	for n := 0; ; n++ {
		reply := <-s.jobs
		s.cache.put(n*64+len(s.jobs), 256+n%64*32)
		reply <- n
	}
}

func client(url string) {
	for {
		if response, err := http.Get(url); err == nil {
			io.Copy(ioutil.Discard, response.Body)
			response.Body.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	s := &server{cache: cache{values: map[int][]byte{}}, jobs: make(chan chan int)}
	for i := 0; i < 16; i++ {
		go s.worker()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = clients
	for i := 0; i < clients; i++ {
		go client("http://" + listener.Addr().String())
	}
	time.AfterFunc(8*time.Second, func() { fmt.Println("READY") }) // the cache is full by then
	fmt.Fprintln(os.Stderr, http.Serve(listener, s))
}
