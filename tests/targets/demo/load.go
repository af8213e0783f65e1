package main

import (
	"fmt"
	"io"
	"io/ioutil"
	"net/http"
	"time"
)

const (
	quotesPerSecond = 20 // a quarter of them leaks
	ordersPerSecond = 250
)

var items = []string{"tea", "soap", "bread", "apples"} // of which soap is slow

func startCustomers(url string) {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 32
	go customers(quotesPerSecond, func(i int) string { return fmt.Sprintf("%s/quote?item=%s", url, items[i%4]) })
	go customers(ordersPerSecond, func(i int) string { return fmt.Sprintf("%s/order?item=%s&n=%d", url, items[i%4], i) })
}

// customers sends `rate` requests a second by the wall clock, for ever.
func customers(rate int, url func(i int) string) {
	start := time.Now()
	for i := 0; ; i++ {
		go get(url(i))
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / time.Duration(rate))))
	}
}

func get(url string) {
	response, err := http.Get(url)
	if err != nil {
		return
	}
	io.Copy(ioutil.Discard, response.Body)
	response.Body.Close()
}
