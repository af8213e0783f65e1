//go:build !fixed
// +build !fixed

package main

func signatureOf(upload []byte) []byte {
	return upload[len(upload)-30:]
}
