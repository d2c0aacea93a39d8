package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestEveryRouteHasARole asks every route there is with no token, with each
// role and with a token of another organization. The list comes from the server
// itself: a route that was added without a role fails.
func TestEveryRouteHasARole(t *testing.T) {
	w := newWorld(t)
	if len(w.server.routes) < 40 {
		t.Fatalf("only %d routes", len(w.server.routes))
	}
	ladder := []string{"viewer", "responder", "admin"}
	for _, route := range w.server.routes {
		t.Run(route.method+" "+route.path, func(t *testing.T) {
			path := strings.NewReplacer("{id}", "0", "{slug}", "nothing", "{source}", "nginx", "{key}", "no-such-key-0123", "{organization}", "shop").Replace(route.path)
			ask := func(token string) int { return w.do(token, route.method, path, "").status }
			switch route.role {
			case nobody:
				if got := ask(""); got != http.StatusOK {
					t.Errorf("status %d without a token", got)
				}
			case viewer, responder, admin:
				if got := ask(""); got != http.StatusUnauthorized {
					t.Errorf("status %d without a token", got)
				}
				if r := w.do("", route.method, path, "", "Authorization", "Bearer mst_wrong"); r.status != http.StatusUnauthorized {
					t.Errorf("status %d with a wrong token", r.status)
				}
				if got := ask("integration"); got != http.StatusForbidden {
					t.Errorf("status %d with a token that may only send", got)
				}
				for i, name := range ladder {
					refused := i < slices.Index(ladder, string(route.role))
					if got := ask(name); refused != (got == http.StatusForbidden) || got == http.StatusUnauthorized || got >= 500 {
						t.Errorf("status %d for a %s", got, name)
					}
				}
			case reporter:
				for _, token := range []string{"", "viewer", "responder", "integration"} {
					if got := ask(token); got != http.StatusUnauthorized && got != http.StatusForbidden {
						t.Errorf("status %d with the token of %q", got, token)
					}
				}
			case integration:
				for _, token := range []string{"", "viewer", "responder"} {
					if strings.Contains(route.path, "{key}") && token != "" {
						continue // the key in the path counts
					}
					if got := ask(token); got != http.StatusUnauthorized && got != http.StatusForbidden {
						t.Errorf("status %d with the token of %q", got, token)
					}
				}
			case routingKey:
				if got := w.do("admin", route.method, path, `{}`).status; got != http.StatusBadRequest {
					t.Errorf("status %d without a routing key", got)
				}
			case signature:
				if got := w.do("admin", route.method, path, `payload=%7B%7D`).status; got != http.StatusUnauthorized {
					t.Errorf("status %d without a signature", got)
				}
			default:
				t.Errorf("no role: %q", route.role)
			}
		})
	}
}

// TestRoutesAreDocumented compares the routes with the OpenAPI document.
func TestRoutesAreDocumented(t *testing.T) {
	w := newWorld(t)
	var documented, served []string
	for path, item := range w.server.api.OpenAPI().Paths {
		if item.Get != nil {
			documented = append(documented, "GET "+path+" "+item.Get.Extensions["x-muster-role"].(string))
		}
		if item.Post != nil {
			documented = append(documented, "POST "+path+" "+item.Post.Extensions["x-muster-role"].(string))
		}
		if item.Delete != nil {
			documented = append(documented, "DELETE "+path+" "+item.Delete.Extensions["x-muster-role"].(string))
		}
		if item.Put != nil || item.Patch != nil || item.Head != nil || item.Options != nil {
			t.Errorf("%s has a method that this test does not know", path)
		}
	}
	for _, r := range w.server.routes {
		served = append(served, r.method+" "+r.path+" "+string(r.role))
	}
	slices.Sort(documented)
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("documented %v\nserved %v", documented, served)
	}
}
