// orderd, the demo server: sells things over HTTP and has two bugs, one in quote.go and one in cache.go. Its customers
// are in load.go.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// API answers the shop's requests.
type API struct {
	cache *Cache
	jobs  chan string
}

func (a *API) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/quote", a.quote)
	mux.HandleFunc("/order", a.order)
	return mux
}

// order hands the work to the pool; nothing is wrong with it.
func (a *API) order(w http.ResponseWriter, r *http.Request) {
	item := r.URL.Query().Get("item")
	a.jobs <- item
	a.cache.Put(r.URL.RawQuery, render(item))
	json.NewEncoder(w).Encode(map[string]string{"ordered": item})
}

func (a *API) packer() {
	for item := range a.jobs {
		time.Sleep(time.Duration(len(item)) * time.Millisecond)
	}
}

func main() {
	api := &API{cache: NewCache(), jobs: make(chan string, 64)}
	for i := 0; i < 32; i++ {
		go api.packer()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	startCustomers("http://" + listener.Addr().String())
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	fmt.Fprintln(os.Stderr, http.Serve(listener, api.routes()))
}
