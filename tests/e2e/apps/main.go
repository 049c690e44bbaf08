// SPDX-License-Identifier: Apache-2.0

// The same simple routes as shop.py, with Go's net/http: /, /users/N, /status/N, /echo, /chunked, /big?n=, /slow?ms=;
// /call?url=U asks another server and answers with its status. Listens on PORT (IPv4 and IPv6) and on the unix socket
// SOCKET, if set. REQUEST_LOG: one JSON line per request, as truth.py writes them.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type line struct {
	Method  string  `json:"method"`
	Path    string  `json:"path"`
	Status  int     `json:"status"`
	In      int64   `json:"in"`
	Out     int64   `json:"out"`
	Handed  float64 `json:"handed"`
	Seconds float64 `json:"seconds"`
}

// counted sees what a handler answers.
type counted struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.sent += int64(n)
	return n, err
}

func logged(file *os.File, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since, body, c := time.Now(), &countedBody{ReadCloser: r.Body}, &counted{ResponseWriter: w, status: 200}
		r.Body = body
		next.ServeHTTP(c, r)
		handed := time.Since(since).Seconds()
		http.NewResponseController(w).Flush()
		if r.Method == "HEAD" {
			c.sent = 0
		}
		text, _ := json.Marshal(line{r.Method, r.URL.Path, c.status, body.received, c.sent, handed, time.Since(since).Seconds()})
		file.Write(append(text, '\n'))
	})
}

type countedBody struct {
	io.ReadCloser
	received int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	return n, err
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func call(w http.ResponseWriter, r *http.Request) {
	answer, err := http.Get(r.FormValue("url"))
	if err != nil {
		text(w, 502, err.Error())
		return
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	text(w, 200, fmt.Sprintln(answer.StatusCode))
}

func routes() http.Handler {
	m := http.NewServeMux()
	hello := func(w http.ResponseWriter, r *http.Request) { text(w, 200, "hello\n") }
	m.HandleFunc("/users/", hello)
	m.HandleFunc("/call", call)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			text(w, 404, "no such page\n")
			return
		}
		hello(w, r)
	})
	m.HandleFunc("/status/", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/status/"))
		if status == 204 {
			w.WriteHeader(status)
			return
		}
		text(w, status, fmt.Sprintln(status))
	})
	m.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		text(w, 200, fmt.Sprintf(`{"length": %d}`, n))
	})
	m.HandleFunc("/chunked", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 10; i++ {
			io.WriteString(w, strings.Repeat(fmt.Sprintf("part %d\n", i), 100))
			http.NewResponseController(w).Flush()
		}
	})
	m.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		text(w, 200, strings.Repeat("\x00", n))
	})
	m.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.FormValue("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		text(w, 200, "late\n")
	})
	return m
}

func main() {
	name := os.Getenv("REQUEST_LOG")
	if name == "" {
		name = os.DevNull
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	handler := logged(file, routes())
	if path := os.Getenv("SOCKET"); path != "" {
		l, err := net.Listen("unix", path)
		if err != nil {
			log.Fatal(err)
		}
		go http.Serve(l, handler)
	}
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), handler))
}
