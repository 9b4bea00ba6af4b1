package plugin

import "github.com/tollgate/tollgate/store/catalog"

// maintenance is MAINTENANCE: one answer to every call of the domain.
type maintenance struct{ *mock }

func buildMaintenance(d *catalog.Domain) (Step, error) {
	m := d.Plugins.Maintenance
	if m == nil || !m.IsUse {
		return nil, nil
	}
	return maintenance{newMock(&m.Response)}, nil
}

// Explain implements Step.
func (m maintenance) Explain(*Call) Finding {
	return answer(m.mock, "isUse is true: every call of the domain is answered so")
}
