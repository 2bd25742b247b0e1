package caddyauth_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// applications are addresses as real applications and their clients write them.
var applications = []struct{ name, prefix, target string }{
	{"Matrix room alias", "/_matrix/*", "/_matrix/client/v3/directory/room/%23caddy:example.org"},
	{"Matrix alias, all escaped", "/_matrix/*", "/_matrix/client/v3/directory/room/%23room%3Aserver.example?x=%23"},
	{"Matrix state event", "/_matrix/*", "/_matrix/client/v3/rooms/!x%3Ay/state/m.room.name/"},
	{"Matrix send", "/_matrix/*", "/_matrix/client/v3/rooms/%21abc%3Aexample.org/send/m.room.message/m1700000000000.1"},
	{"Matrix event id", "/_matrix/*", "/_matrix/client/v3/rooms/!a:b/event/$15%2Fab-_c"},
	{"GitLab project", "/api/v4/*", "/api/v4/projects/group%2Fproject"},
	{"GitLab file", "/api/v4/*", "/api/v4/projects/group%2Fsub%2Fproject/repository/files/src%2Fmain%2Ego/raw?ref=feature%2Fx"},
	{"GitLab tree", "/gitlab/*", "/gitlab/group/project/-/tree/feature/x%23y/dir"},
	{"npm scope", "/npm/*", "/npm/@scope%2fname"},
	{"npm scope, upper case", "/npm/*", "/npm/@types%2Fnode"},
	{"npm tarball", "/npm/*", "/npm/@types/node/-/node-24.0.0.tgz"},
	{"RabbitMQ queue of the default host", "/rabbit/*", "/rabbit/api/queues/%2F/q"},
	{"RabbitMQ binding", "/rabbit/*", "/rabbit/api/bindings/%2F/e/amq.topic/q/orders/%23"},
	{"MediaWiki", "/wiki/*", "/wiki/C%23"},
	{"MediaWiki with a name behind it", "/wiki/*", "/wiki/C%23_(programming_language)?action=history"},
	{"MediaWiki question", "/wiki/*", "/wiki/Who_framed_Roger_Rabbit%3F"},
	{"MediaWiki talk", "/wiki/*", "/wiki/User_talk:A%26B/Archive_1"},
	{"wiki that keeps //", "/wiki/*", "/wiki/AC//DC"},
	{"wiki with a URL in it", "/wiki/*", "/wiki/Special:Search/https://example.com/a"},
	{"wiki umlauts", "/wiki/*", "/wiki/K%C3%B6nigsgr%C3%A4tz"},
	{"servlet session", "/app/*", "/app/page.jsp;jsessionid=0A1B2C3D.node1?x=y"},
	{"servlet session on a directory", "/app/*", "/app/a;jsessionid=X/b"},
	{"Spring matrix variables", "/app/*", "/app/cars;color=red,green;year=2012/doors"},
	{"WebDAV percent sign", "/dav/*", "/dav/100%25.txt"},
	{"WebDAV percent signs", "/dav/*", "/dav/50%25%20of%2050%25%20is%2025%25"},
	{"WebDAV name like an escape", "/dav/*", "/dav/a%2541b.txt"},
	{"WebDAV spaces", "/dav/*", "/dav/My%20Documents/Summer%202026/a%20b%20(1).txt"},
	{"WebDAV umlauts", "/dav/*", "/dav/%C3%9Cbersicht%20%C3%84nderungen.odt"},
	{"WebDAV umlauts, decomposed", "/dav/*", "/dav/U%CC%88bersicht"},
	{"WebDAV number sign", "/dav/*", "/dav/%231%20hit.mp3"},
	{"WebDAV Japanese", "/dav/*", "/dav/%E5%86%99%E7%9C%9F/%EF%BC%91.jpg"},
	{"WebDAV emoji", "/dav/*", "/dav/%F0%9F%94%91/key"},
	{"Nextcloud files", "/remote.php/*", "/remote.php/dav/files/alice@example.com/Photos/a%2Bb%26c.jpg"},
	{"Nextcloud share", "/index.php/*", "/index.php/s/AbCdEf?path=%2Fa%2Fb"},
	{"Nextcloud app", "/index.php/*", "/index.php/apps/files/?dir=/&fileid=12"},
	{"Nextcloud upload", "/remote.php/*", "/remote.php/dav/uploads/alice/web-file-upload-0a1b/.file"},
	{"S3 presigned", "/bucket/*", "/bucket/a/b%20c%2Bd.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20261123%2Feu%2Fs3%2Faws4_request&X-Amz-Signature=0a%2f"},
	{"S3 key with //", "/bucket/*", "/bucket/logs//2026/11"},
	{"S3 key that begins with a slash", "/bucket/*", "/bucket//leading"},
	{"S3 Hive partition", "/bucket/*", "/bucket/table/year=2026/month%3D11/part-0.parquet"},
	{"Grafana dashboard", "/d/*", "/d/uid/x?var=%2F&from=now-6h&var-a=$__all"},
	{"Grafana proxy", "/grafana/*", "/grafana/api/datasources/proxy/uid/P1/api/v1/query?query=up%7Bjob%3D%22a%22%7D"},
	{"Prometheus label", "/prometheus/*", "/prometheus/metrics/job@base64/c29tZS9qb2I/instance/a:9100"},
	{"Jenkins", "/jenkins/*", "/jenkins/job/x/job/feature%2Fy/lastBuild/console"},
	{"Jenkins escaped slash alone", "/jenkins/*", "/jenkins/job/x/%2F"},
	{"Jenkins branch, escaped twice", "/jenkins/*", "/jenkins/job/repo/job/feature%252Fone/"},
	{"Docker registry manifest", "/v2/*", "/v2/library/caddy/manifests/sha256:0123456789abcdef"},
	{"Docker registry upload", "/v2/*", "/v2/a/b__c/d.e-f/blobs/uploads/uuid?_state=x%3D%3D"},
	{"Docker registry root", "/v2/*", "/v2/"},
	{"Maven snapshot", "/maven/*", "/maven/org/x/y-1.0+build.5-SNAPSHOT/maven-metadata.xml"},
	{"Maven properties", "/maven/*", "/maven/libs;build.number=12;vcs=a%2Fb/org/x/y.jar"},
	{"OData key", "/odata/*", "/odata/Entity('a%2Fb')"},
	{"OData keys", "/odata/*", "/odata/Orders(Id=1,Name='O''Neil')/Items?$filter=a%20eq%20'b'&$expand=c($select=d)"},
	{"OData batch", "/odata/*", "/odata/$batch"},
	{"Keycloak", "/realms/*", "/realms/acme/protocol/openid-connect/auth?client_id=a&redirect_uri=https%3A%2F%2Fapp.example.com%2F%3Fx%3D%23&scope=openid"},
	{"Keycloak admin", "/admin/*", "/admin/realms/acme/users?search=a%2Bb@example.com"},
	{"Kubernetes proxy", "/api/v1/*", "/api/v1/namespaces/x/services/https:dash:/proxy/"},
	{"Kubernetes group", "/apis/*", "/apis/apps/v1/namespaces/a/deployments?labelSelector=a%3Db%2Cc%21%3Dd&watch=1"},
	{"Jupyter", "/jupyter/*", "/jupyter/api/contents/a%2Fb%20c.ipynb?type=notebook"},
	{"Elasticsearch date math", "/es/*", "/es/%3Clogstash-%7Bnow%2Fd%7D%3E/_search"},
	{"CouchDB design document", "/couch/*", "/couch/db/_design%2Fapp/_view/by%20name?key=%22a%22"},
	{"Next.js chunk", "/_next/*", "/_next/static/chunks/app/%5Bslug%5D/page-1a.js"},
	{"Next.js image", "/_next/*", "/_next/image?url=%2Fa%2Fb.png&w=640&q=75"},
	{"Vite", "/@vite/*", "/@vite/client?t=1"},
	{"Vite file", "/@fs/*", "/@fs/C:/project/src/main.ts?import&raw"},
	{"Go module proxy", "/go/*", "/go/github.com/!burnt!sushi/toml/@v/v1.0.0+incompatible.mod"},
	{"CPAN", "/go/*", "/go/x../y..z"},
	{"Debian pool", "/debian/*", "/debian/pool/main/g/g++-14/g++_14.2.0-1~bpo12+1_amd64.deb"},
	{"Wayback", "/web/*", "/web/2026/https%3A%2F%2Fexample.com%2F%3Fq%3D1"},
	{"imgproxy", "/img/*", "/img/rs:fit:300:300/plain/https://example.com/a.jpg@webp"},
	{"SPARQL", "/sparql/*", "/sparql/resource/%C3%89tat?default-graph-uri=http%3A%2F%2Fx%23"},
	{"phpMyAdmin", "/pma/*", "/pma/index.php?route=/sql&db=a%60b"},
	{"PATH_INFO", "/cgi/*", "/cgi/index.php/a/b/c.html"},
	{"ownTracks", "/mqtt/*", "/mqtt/topic/a%2F%2B%2F%23"},
	{"tilde", "/~user/*", "/~user/%7Eother/"},
	{"well-known", "/.well-known/*", "/.well-known/openid-configuration"},
	{"iCal", "/cal/*", "/cal/alice/personal/0A1B-%7B2C%7D.ics"},
	{"DOI", "/doi/*", "/doi/10.1002/(SICI)1097-0258(19980815/30)17:15/16%3C1661::AID-SIM968%3E3.0.CO;2-2"},
	{"URN", "/id/*", "/id/urn:isbn:0451450523"},
	{"tile", "/maps/*", "/maps/tile;v=1/10/20.png"},
	{"SharePoint", "/sites/*", "/sites/a/_api/web/GetFileByServerRelativeUrl('/sites/a/b%20c.docx')/$value"},
	{"dots in a name", "/dav/*", "/dav/v1.2...3/...and%20more"},
}

// TestApplications: a gate that refuses what is odd would break what people
// run behind it. With a session every address passes, byte for byte; without
// one it does where a public prefix plainly covers it.
func TestApplications(t *testing.T) {
	up := newEchoUpstream(t)
	var prefixes []string
	for _, app := range applications {
		if line := "public " + app.prefix; !slices.Contains(prefixes, line) {
			prefixes = append(prefixes, line)
		}
	}
	site := func(host, lines string) string {
		return fmt.Sprintf("http://%s:{PORT} {\n\tcaddyauth {\n\t\tsecret %s\n\t\tusers %s\n%s\n\t}\n\treverse_proxy %s\n}\n", host, secret, usersFile(t), lines, up.Addr())
	}
	s := start(t, site("closed.test", "allow /staff/* group staff")+site("open.test", strings.Join(prefixes, "\n")))
	user := signedIn(t, map[string]any{"sub": "7", "email": "eve@example.com"})
	for _, app := range applications {
		t.Run(app.name, func(t *testing.T) {
			for _, tc := range []struct {
				host, cookie string
				want         int
			}{{"open.test", "", http.StatusOK}, {"closed.test", user, http.StatusOK}, {"closed.test", "", http.StatusUnauthorized}} {
				a := s.ask("GET "+app.target, "Host: "+tc.host, "Cookie: "+tc.cookie, "X-Case: "+app.name)
				line, received := up.take(app.name)
				switch {
				case a.StatusCode != tc.want:
					t.Errorf("%s: %s, want %d", tc.host, a.Status, tc.want)
				case tc.want == http.StatusOK && line != "GET "+app.target+" HTTP/1.1":
					t.Errorf("%s: the upstream got %q", tc.host, line)
				case tc.want != http.StatusOK && received:
					t.Errorf("%s: refused, but the upstream got %q", tc.host, line)
				}
			}
		})
	}
}
