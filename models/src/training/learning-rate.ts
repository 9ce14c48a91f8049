export interface LearningRateSchedule {
  readonly learningRateMax: number;
  readonly warmupSteps: number;
}

/** Linear warm-up, then half a cosine down to 0 (arXiv 1608.03983). */
export function learningRateAt(
  step: number,
  steps: number,
  { learningRateMax, warmupSteps }: LearningRateSchedule,
): number {
  if (step < warmupSteps) return (learningRateMax * (step + 1)) / warmupSteps;
  const done = (step - warmupSteps) / Math.max(1, steps - warmupSteps);
  return (learningRateMax * (1 + Math.cos(Math.PI * done))) / 2;
}
