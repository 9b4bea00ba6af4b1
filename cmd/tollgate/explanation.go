package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/cmd/internal/cli"
	"github.com/tollgate/tollgate/node/admin/api"
	"github.com/tollgate/tollgate/proxy"
	"github.com/tollgate/tollgate/proxy/plugin"
)

// showExplanation tells the way of a request from the top: where it goes, what
// each plugin does with it, and what comes of it.
func showExplanation(rq *api.ExplainRequest, answer []byte, out *bytes.Buffer) error {
	var e proxy.Explanation
	if err := read(answer, &e); err != nil {
		return err
	}
	fmt.Fprintf(out, "Request   %s %s\n", cli.Cell(rq.Method), cli.Cell(rq.URL))
	if e.Domain == nil {
		out.WriteString("Domain    none\n")
	} else {
		fmt.Fprintf(out, "Domain    %s (%s)\n", cli.Cell(e.Domain.Key), cli.Cell(e.Domain.Name))
		fmt.Fprintf(out, "Endpoint  %s\n", endpointLine(e.Endpoint))
	}
	if len(e.Plugins) > 0 {
		out.WriteString("\nPlugins, in their order\n")
		if err := showFindings(e.Plugins, out); err != nil {
			return err
		}
	}
	out.WriteString("\n")
	if e.Call != nil {
		showCall(e.Call, out)
	}
	if e.Answer != nil {
		showAnswer(e.Answer, out)
	}
	return nil
}

func endpointLine(e *proxy.ExplainedEndpoint) string {
	if e == nil {
		return "none"
	}
	var variables []string
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		variables = append(variables, fmt.Sprintf("{%s} is %s", cli.Cell(name), cli.Cell(e.Variables[name])))
	}
	text := cli.Cell(e.Method) + " " + cli.Cell(e.Pattern)
	if variables != nil {
		text += ", " + strings.Join(variables, ", ")
	}
	return text
}

func showFindings(findings []plugin.Finding, out *bytes.Buffer) error {
	rows := make([][]string, len(findings))
	signed := ""
	for i, f := range findings {
		rows[i] = []string{strconv.Itoa(i + 1), strings.Join(f.Plugins, ", "), string(f.Decision), f.Reason}
		if f.StringToSign != "" {
			signed = f.StringToSign
		}
	}
	if err := cli.Table(out, "#|PLUGIN|DECISION|WHY", rows); err != nil {
		return err
	}
	if signed != "" {
		fmt.Fprintf(out, "\nSigned    %s\n", cli.Cell(signed)) // cell spells line ends as \n
	}
	return nil
}

func showCall(c *proxy.ExplainedCall, out *bytes.Buffer) {
	fmt.Fprintf(out, "Calls     %s %s\n", cli.Cell(c.Method), cli.Cell(c.URL))
	showFields("sets", c.SetHeaders, out)
	for _, name := range c.DroppedHeaders {
		fmt.Fprintf(out, "  drops   %s\n", cli.Cell(name))
	}
}

func showAnswer(a *plugin.Answer, out *bytes.Buffer) {
	fmt.Fprintf(out, "Answers   %d", a.Status)
	if a.ResultMessage != "" {
		fmt.Fprintf(out, ", %s", cli.Cell(a.ResultMessage)) // the code leads it
	}
	if a.BodyBytes > 0 {
		fmt.Fprintf(out, ", with a body of %s", cli.Plural(a.BodyBytes, "byte"))
	}
	out.WriteString("\n")
	showFields("sets", a.Headers, out)
}

func showFields(verb string, fields map[string]string, out *bytes.Buffer) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := ""
		if fields[name] != "" {
			value = " " + cli.Cell(fields[name])
		}
		fmt.Fprintf(out, "  %-6s  %s:%s\n", verb, cli.Cell(name), value)
	}
}
