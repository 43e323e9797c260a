//! Throughput over concurrency, as a picture.

use std::path::Path;

use plotters::prelude::*;

use crate::contention::Level;

/// A line of the picture.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) levels: Vec<Level>,
    /// The most that can get through, if that is the same however many are at once.
    pub(crate) limit: Option<f64>,
}

const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(23, 190, 207),
];

/// Draws them, and thinly where their limits are.
pub(crate) fn draw(path: &Path, lines: &[Line]) {
    let at_once = |level: &Level| u32::try_from(level.at_once).expect("a count");
    let levels = || lines.iter().flat_map(|line| &line.levels);
    let most_at_once = levels().map(at_once).max().expect("a level");
    let most = levels().map(|level| level.goodput).fold(0.0, f64::max);
    let root = SVGBackend::new(path, (900, 560)).into_drawing_area();
    root.fill(&WHITE).expect("a picture");
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Money sent, over functions at once (dashed: the most that one payee without shards takes in)",
            ("sans-serif", 18),
        )
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((1_u32..most_at_once).log_scale().base(2.0), 0.0..most * 1.1)
        .expect("a picture");
    chart
        .configure_mesh()
        .x_desc("functions at once")
        .y_desc("transfers per second")
        .x_label_formatter(&|at_once| at_once.to_string())
        .y_label_formatter(&|per_second| format!("{per_second:.0}"))
        .light_line_style(WHITE)
        .draw()
        .expect("a picture");
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(u32, f64)> = line.levels.iter().map(|level| (at_once(level), level.goodput)).collect();
        let style = ShapeStyle::from(colour).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.clone(), style))
            .expect("a picture")
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        if let Some(limit) = line.limit {
            let limit = [(1, limit), (most_at_once, limit)];
            chart
                .draw_series(DashedLineSeries::new(limit, 6, 6, ShapeStyle::from(colour.mix(0.6))))
                .expect("a picture");
        }
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled()))).expect("a picture");
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()
        .expect("a picture");
    root.present().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
