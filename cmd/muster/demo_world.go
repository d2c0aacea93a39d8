package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/shop"
	"github.com/musterhq/muster/internal/vendortest"
)

//go:embed demo.yaml
var demoConfig string

// perSecond is the traffic of the demo's shop.
const perSecond = 100

// The releases of the demo's shop.
var (
	goodRelease = shop.Release{Version: "v41", SHA: "4141414141414141414141414141414141414141"}
	badRelease  = shop.Release{Version: "v42", SHA: "4242424242424242424242424242424242424242", Broken: 0.03}
)

// slackIDs are the demo's people as Slack knows them.
var slackIDs = map[string]string{"ana": "U0ANA0001", "bob": "U0BOB0001"}

// A demoWorld is everything around Muster, on loopback: a shop under traffic,
// and stand-ins for GitLab, Slack, a mail server and a pager.
type demoWorld struct {
	dir     string
	shop    *shop.Shop
	gitlab  *vendortest.GitLab
	project int64
	slack   *vendortest.Slack
	smtp    *vendortest.SMTP
	pager   *vendortest.Webhook
	muster  *server

	shopURL string
	token   string // of the instance admin
	closers []func()
}

// startDemo builds the world in a folder and starts Muster in it.
func startDemo(ctx context.Context, dir string, fault string, log *slog.Logger) (w *demoWorld, err error) {
	w = &demoWorld{dir: dir, token: "mst_" + id.Secret(24)}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	accessLog, err := os.OpenFile(filepath.Join(dir, "access.ndjson"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return w, err
	}
	w.closers = append(w.closers, func() { accessLog.Close() })
	w.shop = shop.New(time.Now, accessLog, goodRelease)
	secrets := map[string]string{
		"slack_token": "xoxb-demo-" + id.Secret(12), "slack_secret": id.Secret(16), "gitlab_token": "glpat-" + id.Secret(12),
		"webhook_secret": "whsec_" + webhookSecret(),
	}
	if err := w.startVendors(secrets, fault); err != nil {
		return w, err
	}
	traffic, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); shop.Traffic(traffic, w.shopURL, perSecond) }()
	w.closers = append(w.closers, func() { stop(); <-done })

	text := demoConfig
	for name, value := range secrets {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	key, err := seal.ParseKey(id.Secret(32))
	if err != nil {
		return w, err
	}
	w.muster, err = startServer(ctx, serveOptions{
		Database: filepath.Join(dir, "muster.db"), Key: key, AdminToken: w.token, Log: log,
		Tails:  []engine.TailFile{{Source: "shop", Path: accessLog.Name()}},
		Config: []config.File{{Name: "demo.yaml", Body: []byte(text)}},
	})
	if err != nil {
		return w, err
	}
	w.slack.SetAppURL(w.muster.URL + "/chat/slack/shop")
	return w, nil
}

// startVendors starts the stand-ins and puts their addresses among the values
// for the configuration.
func (w *demoWorld) startVendors(values map[string]string, fault string) error {
	w.gitlab = vendortest.NewGitLab(time.Now)
	w.gitlab.AddToken(values["gitlab_token"], vendortest.GitLabToken{})
	w.gitlab.SetDelay(2 * time.Second)
	w.project = w.gitlab.AddProject("shop/checkout")
	w.gitlab.SetDeploy(func(_, sha, _ string) error {
		for _, r := range []shop.Release{goodRelease, badRelease} {
			if r.SHA == sha {
				w.shop.Deploy(r)
				return nil
			}
		}
		return fmt.Errorf("no release of %s", sha)
	})
	if fault == faultGitLab {
		w.gitlab.Fail("/retry", -1, vendortest.GitLabForbidden())
	}
	w.slack = vendortest.NewSlack(time.Now, vendortest.SlackOptions{
		Token: values["slack_token"], SigningSecret: values["slack_secret"], PerChannel: 500 * time.Millisecond,
		Channels: []vendortest.SlackChannel{{ID: "C0PAYMENT", Name: "payments"}},
		Users:    []vendortest.SlackUser{{ID: slackIDs["ana"], Name: "ana"}, {ID: slackIDs["bob"], Name: "bob"}},
	})
	w.pager = vendortest.NewWebhook(time.Now, values["webhook_secret"])
	w.smtp = vendortest.NewSMTP(time.Now, vendortest.SMTPOptions{})
	w.closers = append(w.closers, w.gitlab.Close, w.smtp.Close)
	var err error
	if values["smtp"], err = w.smtp.Start(); err != nil {
		return err
	}
	for name, handler := range map[string]http.Handler{"gitlab": w.gitlab, "slack": w.slack, "webhook": w.pager, "shop": w.shop} {
		if values[name], err = w.listen(handler); err != nil {
			return err
		}
	}
	w.shopURL = values["shop"]
	return nil
}

func (w *demoWorld) listen(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go s.Serve(l)
	w.closers = append(w.closers, func() { s.Close() })
	return "http://" + l.Addr().String(), nil
}

// releaseGood puts the history before the bad release into GitLab.
func (w *demoWorld) releaseGood(at time.Time) {
	w.gitlab.AddDeployment(w.project, vendortest.GitLabDeployment{Environment: "production", SHA: goodRelease.SHA, Ref: goodRelease.Version, At: at.Add(-24 * time.Hour)})
}

// releaseBad lets v42 go live, and returns when.
func (w *demoWorld) releaseBad(fault string) time.Time {
	w.shop.Deploy(badRelease)
	if fault == faultNoRecovery {
		w.shop.Break(badRelease.Broken)
	}
	deploys := w.shop.Deploys()
	at := deploys[len(deploys)-1].At
	w.gitlab.AddDeployment(w.project, vendortest.GitLabDeployment{Environment: "production", SHA: badRelease.SHA, Ref: badRelease.Version, At: at})
	return at
}

// close ends everything, in the reverse order of the start.
func (w *demoWorld) close() error {
	var err error
	if w.muster != nil {
		err = w.muster.Stop(context.Background())
	}
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	return errors.Join(err)
}
