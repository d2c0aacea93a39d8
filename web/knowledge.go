package web

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/docs/knowledge"
	"github.com/musterhq/muster/gate"
)

// A KnowledgePage is a page of the handbook.
type KnowledgePage struct {
	Class   gate.Class `json:"class"`
	Title   string     `json:"title"`
	Summary string     `json:"summary"`
}

type knowledgeOut struct {
	Body struct {
		Pages []KnowledgePage `json:"pages" nullable:"false" doc:"One for each class of defect."`
	}
}

func (s *server) knowledgeRoutes() {
	const base = "/api/v1/knowledge"
	add(s, viewer, http.MethodGet, base, "list-knowledge", "The handbook's pages", s.handbook, tag("gates"))
	add(s, viewer, http.MethodGet, base+"/{class}", "get-knowledge", "What a class of defects is, how to find and mend it, and what was mended here", s.handbookPage, tag("gates"),
		answers("200", "text/markdown; charset=utf-8"))
}

func (s *server) handbook(context.Context, *struct{}) (*knowledgeOut, error) {
	var out knowledgeOut
	out.Body.Pages = []KnowledgePage{}
	for _, class := range gate.Classes {
		if page, ok := knowledge.Page(string(class)); ok {
			out.Body.Pages = append(out.Body.Pages, KnowledgePage{class, knowledge.Title(page), knowledge.Summary(page)})
		}
	}
	return &out, nil
}

func (s *server) handbookPage(ctx context.Context, in *struct {
	Class gate.Class `path:"class" maxLength:"63"`
}) (*textOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	text, err := s.engine.Knowledge(ctx, org, in.Class)
	return &textOut{ContentType: "text/markdown; charset=utf-8", Body: []byte(text)}, err
}
