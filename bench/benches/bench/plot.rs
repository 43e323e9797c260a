//! A chart of throughput over concurrency.

use std::path::Path;

use plotters::prelude::*;

use crate::contention::Level;

/// A line of the chart.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) levels: Vec<Level>,
    /// The maximum throughput, if it does not depend on the concurrency.
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

/// Draws the lines, and their limits dashed.
pub(crate) fn draw(path: &Path, lines: &[Line]) {
    let concurrency = |level: &Level| u32::try_from(level.concurrency).expect("a count");
    let levels = || lines.iter().flat_map(|line| &line.levels);
    let max_concurrency = levels().map(concurrency).max().expect("a level");
    let most = levels().map(|level| level.goodput).fold(0.0, f64::max);
    let root = SVGBackend::new(path, (900, 560)).into_drawing_area();
    root.fill(&WHITE).expect("a picture");
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "Transfers per second over concurrent functions (dashed: the maximum of one payee without shards)",
            ("sans-serif", 18),
        )
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((1_u32..max_concurrency).log_scale().base(2.0), 0.0..most * 1.1)
        .expect("a picture");
    chart
        .configure_mesh()
        .x_desc("concurrent functions")
        .y_desc("transfers per second")
        .x_label_formatter(&|concurrency| concurrency.to_string())
        .y_label_formatter(&|per_second| format!("{per_second:.0}"))
        .light_line_style(WHITE)
        .draw()
        .expect("a picture");
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<(u32, f64)> = line.levels.iter().map(|level| (concurrency(level), level.goodput)).collect();
        let style = ShapeStyle::from(colour).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.clone(), style))
            .expect("a picture")
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        if let Some(limit) = line.limit {
            let limit = [(1, limit), (max_concurrency, limit)];
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
