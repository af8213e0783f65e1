//go:build fixed
// +build fixed

package main

func walk(at *node, depth, pace int) int {
	for sum := 0; ; depth++ {
		var seen [96]int
		step(pace)
		seen[depth%96] = depth
		at, sum = at.next, sum+seen[0]
	}
}
