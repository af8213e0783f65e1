//go:build !fixed
// +build !fixed

package main

import "bytes"

func titleOf(text *bytes.Buffer) string {
	return text.String()[:60] // LEAK
}
