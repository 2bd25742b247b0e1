package authapi

import (
	"strings"
	"testing"
)

func TestDescribeAgent(t *testing.T) {
	for agent, want := range map[string]string{
		firefox: "Firefox|Linux",
		safari:  "Safari|iPhone",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36":                                    "Chrome|Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0":                      "Edge|Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                              "Safari|macOS",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 OPR/125.0.0.0":                "Opera|macOS",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36":                                    "Chrome|Android",
		"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung Internet|Android",
		"Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1":              "Chrome|iPad",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 15_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/143.2 Mobile/15E148 Safari/605.1.15":          "Firefox|iPhone",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36":                                     "Chrome|ChromeOS",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36":                                      "Chrome|Linux",
		"curl/8.15.0": "curl|", "git/2.51.0": "git|", "Wget/1.25.0": "Wget|",
		"": "|", "Mozilla/5.0": "|", "Firefox": "|", "<script>alert(1)</script>": "|", "\x00\xff": "|", "Linux": "|Linux",
		strings.Repeat("x", 1<<20): "|",
	} {
		browser, system := describeAgent(agent)
		if got := browser + "|" + system; got != want {
			t.Errorf("%.80q: got %q, want %q", agent, got, want)
		}
	}
}

// Whatever a browser says, what is shown of it are words of ours.
func FuzzDescribeAgent(f *testing.F) {
	for _, seed := range []string{firefox, safari, "curl/8", "Edg/<b>Windows", ""} {
		f.Add(seed)
	}
	known := map[string]bool{"": true}
	for _, n := range append(agentBrowsers[:len(agentBrowsers):len(agentBrowsers)], agentSystems...) {
		known[n.name] = true
	}
	f.Fuzz(func(t *testing.T, agent string) {
		if browser, system := describeAgent(agent); !known[browser] || !known[system] {
			t.Errorf("%q: %q on %q", agent, browser, system)
		}
	})
}
