package web

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/store"
)

type defectsIn struct {
	Gate  string           `query:"gate" doc:"Only those of this gate." maxLength:"63"`
	Team  string           `query:"team" doc:"Only those that this team owns." maxLength:"63"`
	State gate.DefectState `query:"state" enum:"open,closed" doc:"Only those of this state."`
	Page
}

type defectsOut struct {
	Body struct {
		Defects []gate.Defect `json:"defects" nullable:"false"`
		Next    string        `json:"next,omitempty" doc:"Cursor of the next page; absent at the end."`
	}
}

type defectOut struct{ Body gate.Defect }

func (s *server) defectRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/defects", "list-defects", "List defects that gates found, newest first", s.defects, tag("gates"))
	add(s, viewer, http.MethodGet, "/api/v1/defects/{id}", "get-defect", "Get a defect", s.defect, tag("gates"))
}

func (s *server) defects(ctx context.Context, in *defectsIn) (*defectsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	f := store.DefectFilter{Gate: in.Gate, Team: in.Team, State: in.State, Limit: in.Limit + 1}
	if f.After, err = in.after("defects"); err != nil {
		return nil, err
	}
	list, err := s.engine.Store.ListDefects(ctx, org, f)
	if err != nil {
		return nil, err
	}
	var out defectsOut
	out.Body.Defects, out.Body.Next = cut(list, in.Limit, "defects", func(d gate.Defect) string { return d.ID })
	return &out, nil
}

func (s *server) defect(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*defectOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.engine.Store.DefectByID(ctx, org, in.ID)
	return &defectOut{d}, err
}
