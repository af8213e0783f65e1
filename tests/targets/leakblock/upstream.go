package main

import (
	"bufio"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
)

var upstreamAddress string

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func startUpstream() {
	command := exec.Command(os.Args[0], "upstream")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		log.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	upstreamAddress = strings.TrimSpace(line)
}
