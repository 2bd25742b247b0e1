package caddyauth

import (
	"net/http"

	"go.uber.org/zap"
)

// started is a response writer that knows whether the answer has begun.
type started struct {
	http.ResponseWriter
	begun bool
}

// Unwrap is for http.ResponseController.
func (s *started) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *started) WriteHeader(status int) {
	s.begun = s.begun || status >= http.StatusOK
	s.ResponseWriter.WriteHeader(status)
}

func (s *started) Write(b []byte) (int, error) {
	s.begun = true
	return s.ResponseWriter.Write(b)
}

// contain is deferred around the API. A module that panics, a guest's perhaps,
// costs one request: it is answered with 500 and without the cookies of
// whatever was under way, and the connection lives on. What has begun to be
// answered is broken off, as net/http would.
func (h *Handler) contain(w *started) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	h.log.Error("the API panicked", zap.Any("panic", v), zap.Stack("stack"))
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	header := w.Header()
	clear(header)
	header.Set("Cache-Control", "private, no-cache, no-store")
	http.Error(w, "Internal Server Error", http.StatusInternalServerError)
}
