export type { Axis, Band, Chart, Point, Series } from './chart.ts';
export { chartsSvg } from './chart-svg.ts';
export { drawChart } from './draw-chart.ts';
