package main

import (
	"fmt"
	"net/http"
	"time"
)

const patience = 20 * time.Millisecond

// quote asks the supplier and gives up after a while. The bug: the supplier's answer then has no reader any more, and
// the goroutine that carries it waits for ever.
func (a *API) quote(w http.ResponseWriter, r *http.Request) {
	item := r.URL.Query().Get("item")
	prices := make(chan int)
	go func() { // LEAK rate=5
		prices <- askSupplier(item) // BLOCKED
	}()
	select {
	case price := <-prices:
		fmt.Fprintln(w, price)
	case <-time.After(patience):
		http.Error(w, "supplier is slow, try again", http.StatusGatewayTimeout)
	}
}

// askSupplier is slow for every fourth item.
func askSupplier(item string) int {
	if len(item)%4 == 0 {
		time.Sleep(2 * patience)
	}
	return 100 * len(item)
}
