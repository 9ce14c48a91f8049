// What many clients have measured of one model, as one report: the mean by examples, the same for each cohort, and how far
// clients are from each other, for a good mean may hide those whom the model fails. Who has no examples is in none of it.

export interface EvaluateResult {
  readonly client: string;
  readonly examples: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** A part of the fleet that somebody wants to see by itself: a site, a hardware class. */
  readonly cohort?: string;
}

export interface EvaluatedGroup {
  readonly clients: number;
  readonly examples: number;
  /** Weighted by examples. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Of one metric over clients, each counted once. */
export interface Spread {
  readonly clients: number;
  readonly mean: number;
  /** Population standard deviation. */
  readonly std: number;
  readonly worst: { readonly client: string; readonly value: number };
  readonly best: { readonly client: string; readonly value: number };
  /** Mean of the worst tenth of clients, at least one (the tail that q-FedAvg is judged by, arXiv 1905.10497). */
  readonly worstTenth: number;
}

export interface EvaluateReport extends EvaluatedGroup {
  readonly cohorts: Readonly<Record<string, EvaluatedGroup>>;
  readonly fairness: Readonly<Record<string, Spread>>;
  readonly leftOut: readonly { readonly client: string; readonly reason: string }[];
}

/** Less is better of a loss or an error; of anything else more is. */
const lessIsBetter = (metric: string): boolean => /loss|error/i.test(metric);

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0;

export function aggregateEvaluate(results: readonly EvaluateResult[]): EvaluateReport {
  const sorted = [...results].sort((a, b) => byName([a.client, 0], [b.client, 0]));
  const seen = new Set<string>();
  const used: EvaluateResult[] = [];
  const leftOut: { client: string; reason: string }[] = [];
  for (const result of sorted) {
    const { client, examples, metrics } = result;
    const reason = seen.has(client)
      ? 'repeated'
      : !Number.isSafeInteger(examples) || examples <= 0
        ? 'no-examples'
        : !Object.values(metrics).every(Number.isFinite)
          ? 'not-finite'
          : undefined;
    if (reason !== undefined) {
      leftOut.push({ client, reason });
      continue;
    }
    seen.add(client);
    used.push(result);
  }
  const cohorts = new Map<string, EvaluateResult[]>();
  for (const result of used) {
    if (result.cohort === undefined) continue;
    const members = cohorts.get(result.cohort) ?? [];
    members.push(result);
    cohorts.set(result.cohort, members);
  }
  return {
    ...groupOf(used),
    cohorts: Object.fromEntries(
      [...cohorts].sort(byName).map(([cohort, members]) => [cohort, groupOf(members)]),
    ),
    fairness: Object.fromEntries(
      metricsOf(used).map((metric) => [metric, spreadOf(metric, used)] as const),
    ),
    leftOut,
  };
}

const metricsOf = (results: readonly EvaluateResult[]): readonly string[] =>
  [...new Set(results.flatMap(({ metrics }) => Object.keys(metrics)))].sort();

function groupOf(results: readonly EvaluateResult[]): EvaluatedGroup {
  return {
    clients: results.length,
    examples: results.reduce((sum, { examples }) => sum + examples, 0),
    metrics: weightedMetrics(results),
  };
}

/** Of each metric over those who gave it, by examples. */
export function weightedMetrics(
  results: readonly Pick<EvaluateResult, 'examples' | 'metrics'>[],
): Readonly<Record<string, number>> {
  const sums = new Map<string, { sum: number; examples: number }>();
  for (const { examples, metrics } of results)
    for (const [metric, value] of Object.entries(metrics)) {
      if (!Number.isFinite(value)) continue;
      const so = sums.get(metric) ?? { sum: 0, examples: 0 };
      sums.set(metric, { sum: so.sum + examples * value, examples: so.examples + examples });
    }
  return Object.fromEntries(
    [...sums].sort(byName).map(([metric, { sum, examples }]) => [metric, sum / examples]),
  );
}

function spreadOf(metric: string, results: readonly EvaluateResult[]): Spread {
  const sign = lessIsBetter(metric) ? -1 : 1;
  const values = results
    .flatMap(({ client, metrics }) => {
      const value = metrics[metric];
      return value === undefined ? [] : [{ client, value }];
    })
    .sort((a, b) => sign * (a.value - b.value) || byName([a.client, 0], [b.client, 0]));
  const meanOf = (some: readonly { value: number }[]): number =>
    some.reduce((sum, { value }) => sum + value, 0) / some.length;
  const mean = meanOf(values);
  const nobody = { client: '', value: Number.NaN };
  return {
    clients: values.length,
    mean,
    std: Math.sqrt(meanOf(values.map(({ value }) => ({ value: (value - mean) ** 2 })))),
    worst: values[0] ?? nobody,
    best: values.at(-1) ?? nobody,
    worstTenth: meanOf(values.slice(0, Math.max(1, Math.ceil(values.length / 10)))),
  };
}
