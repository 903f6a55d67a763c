// Copyright The GitLab instance cluster operator authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"image/color"
	"math"
	"os"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// panel is one diagram: a column over the number of objects, both logarithmic.
type panel struct{ title, unit, column string }

var panels = [][]panel{
	{{"Creating N objects", "seconds", createWall}, {"CPU for creating N objects", "seconds", createCPU}},
	{{"Requests to GitLab per minute at rest", "requests", idleRequests}, {"Memory at rest", "MiB", idleRSS}},
}

var colours = map[string]color.Color{
	floor:      color.RGBA{R: 0x80, G: 0x80, B: 0x80, A: 0xff},
	manager:    color.RGBA{R: 0x1f, G: 0x6f, B: 0xb5, A: 0xff},
	crossplane: color.RGBA{R: 0xd9, G: 0x5f, B: 0x02, A: 0xff},
}

// latency is that with which a column was measured most often; of several the longest.
func (b *book) latency(column string) (often time.Duration) {
	most := 0
	for _, latency := range b.latencies() {
		found := 0
		for _, row := range b.rows {
			if _, known := row.values[column]; known && row.Latency == latency {
				found++
			}
		}
		if found >= most {
			often, most = latency, found
		}
	}
	return often
}

// draw draws the panels.
func (b *book) draw(path string) error {
	plots := make([][]*plot.Plot, len(panels))
	for i, row := range panels {
		for _, p := range row {
			diagram, err := b.diagram(p, b.latency(p.column))
			if err != nil {
				return err
			}
			plots[i] = append(plots[i], diagram)
		}
	}
	image := vgimg.NewWith(vgimg.UseWH(24*vg.Centimeter, 18*vg.Centimeter), vgimg.UseDPI(110))
	tiles := draw.Tiles{Rows: len(panels), Cols: len(panels[0]), PadX: 8 * vg.Millimeter, PadY: 8 * vg.Millimeter,
		PadTop: 4 * vg.Millimeter, PadBottom: 4 * vg.Millimeter, PadLeft: 4 * vg.Millimeter, PadRight: 6 * vg.Millimeter}
	for i, row := range plot.Align(plots, tiles, draw.New(image)) {
		for j, canvas := range row {
			plots[i][j].Draw(canvas)
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: image}).WriteTo(file); err != nil {
		return err
	}
	return file.Close()
}

func (b *book) diagram(p panel, latency time.Duration) (*plot.Plot, error) {
	diagram := plot.New()
	diagram.Title.Text = p.title + " (GitLab's latency " + latency.String() + ")"
	diagram.X.Label.Text, diagram.Y.Label.Text = "objects", p.unit
	diagram.X.Scale, diagram.Y.Scale = plot.LogScale{}, plot.LogScale{}
	diagram.X.Tick.Marker, diagram.Y.Tick.Marker = sizes(b.sizes()), plot.LogTicks{Prec: -1}
	diagram.X.Min, diagram.X.Max = 1, 10
	lowest, highest := math.Inf(1), math.Inf(-1)
	diagram.Legend.Top, diagram.Legend.Left = true, true
	diagram.Legend.XOffs, diagram.Legend.YOffs = 3*vg.Millimeter, -3*vg.Millimeter
	diagram.Add(plotter.NewGrid())
	for _, who := range contestants {
		var points plotter.XYs
		for _, n := range b.sizes() {
			if value, known := b.median(who, n, latency, p.column); known {
				if pages, lists := b.median(who, n, latency, intervalRequests); lists && p.column == idleRequests {
					value += pages / 10 // one list in ten minutes, of which the measured minute had none
				}
				value = max(value, 0.01)
				lowest, highest = min(lowest, value), max(highest, value)
				points = append(points, plotter.XY{X: float64(n), Y: value})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colours[who], vg.Points(1.5)
		marks.Color, marks.Shape = colours[who], draw.CircleGlyph{}
		diagram.Add(line, marks)
		diagram.Legend.Add(who, line, marks)
	}
	if lowest > highest { // nothing was measured
		lowest, highest = 1, 10
	}
	// Whole decades, with room for the legend above.
	diagram.Y.Min, diagram.Y.Max = math.Pow(10, math.Floor(math.Log10(lowest))), math.Pow(10, math.Ceil(math.Log10(highest))+1)
	return diagram, nil
}

// sizes are the ticks of the axis of objects.
type sizes []int

func (s sizes) Ticks(_, _ float64) []plot.Tick {
	var ticks []plot.Tick
	for _, n := range s {
		ticks = append(ticks, plot.Tick{Value: float64(n), Label: strconv.Itoa(n)})
	}
	return ticks
}
