package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tollgate/tollgate/bench/report"
	"github.com/tollgate/tollgate/cmd/internal/cli"
)

func (a *app) pageCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "page RESULT",
		Short: "Write a result of the benchmark as a page in Markdown",
		Long: "Write a result of `tollgate-bench run`, its folder or the report.json in it, as a page in Markdown: tables, and\n" +
			"links to the plots in its folder.",
		Args: cli.Takes("RESULT"),
		RunE: func(_ *cobra.Command, args []string) error {
			run, err := report.Load(args[0])
			if err != nil {
				return err
			}
			plots, err := plotsBeside(args[0])
			if err != nil {
				return err
			}
			if file != "" {
				return writePage(run, plots, file)
			}
			page, err := pageOf(run, plots, ".")
			if err != nil {
				return err
			}
			return a.Print(page)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "`FILE` to write the page to instead of standard output")
	return cmd
}

// plotsBeside are the plots in the folder of a result, which path is or is in.
func plotsBeside(path string) ([]string, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		path = filepath.Dir(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var plots []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == ".png" || ext == ".svg" {
			plots = append(plots, filepath.Join(path, e.Name()))
		}
	}
	return plots, nil
}

// writePage writes a run's page to a file.
func writePage(run *report.Run, plots []string, file string) error {
	page, err := pageOf(run, plots, filepath.Dir(file))
	if err != nil {
		return err
	}
	return os.WriteFile(file, page, 0o644)
}

// pageOf is a run's page, which is to lie in dir.
func pageOf(run *report.Run, plots []string, dir string) ([]byte, error) {
	links := make([]string, len(plots))
	for i, plot := range plots {
		link, err := relative(dir, plot)
		if err != nil {
			return nil, err
		}
		links[i] = filepath.ToSlash(link)
	}
	var page bytes.Buffer
	if err := run.WritePage(&page, links); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}

// relative is the way from a directory to a file.
func relative(dir, file string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}
