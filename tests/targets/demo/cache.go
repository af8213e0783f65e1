package main

import (
	"bytes"
	"sync"
)

// Cache keeps rendered answers. The bug: nothing is ever removed.
type Cache struct {
	mu    sync.Mutex
	pages map[string][]byte
}

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{pages: map[string][]byte{}} }

// Put keeps a copy of the page under the key.
func (c *Cache) Put(key string, page []byte) {
	kept := make([]byte, len(page)) // GROWS rate=1024000
	copy(kept, page)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages[key] = kept
}

const pageBytes = 4096

func render(item string) []byte {
	return bytes.Repeat([]byte(item+" "), pageBytes/(len(item)+1)+1)[:pageBytes]
}
