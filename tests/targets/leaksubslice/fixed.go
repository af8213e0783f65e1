//go:build fixed
// +build fixed

package main

func signatureOf(upload []byte) []byte {
	return append([]byte(nil), upload[len(upload)-30:]...)
}
