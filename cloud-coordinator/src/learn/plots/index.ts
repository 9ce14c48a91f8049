export {
  drawLearning,
  learningSvg,
  type PlottedRound,
  type PlottedRun,
} from './learning-plots.ts';
