//go:build fixed
// +build fixed

package main

import "bytes"

func titleOf(text *bytes.Buffer) string {
	return string([]byte(text.String()[:60]))
}
