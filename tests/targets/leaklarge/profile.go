//go:build !noprofile
// +build !noprofile

package main

// Linked in, as in most servers, so that the runtime's heap profile is on: the linker turns it off in programs that
// cannot reach runtime.MemProfile.
import _ "net/http/pprof"
