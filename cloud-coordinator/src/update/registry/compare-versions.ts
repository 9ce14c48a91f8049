// Two versions of a model side by side, for who decides between them. Pure.

import type { ModelVersion } from './fold-model.ts';

export interface Comparison {
  readonly from: string;
  readonly to: string;
  /** Of the card, and of each variant that both have. */
  readonly metrics: readonly MetricChange[];
  readonly variants: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    /** Whose bytes are the same. */
    readonly same: readonly string[];
  };
  readonly data: { readonly added: readonly string[]; readonly removed: readonly string[] };
  readonly licence?: { readonly from: string; readonly to: string };
  readonly recipe?: { readonly from: string; readonly to: string };
}

export interface MetricChange {
  /** `card`, or a variant's name. */
  readonly of: string;
  readonly metric: string;
  readonly from?: number;
  readonly to?: number;
}

export function compareVersions(from: ModelVersion, to: ModelVersion): Comparison {
  const [a, b] = [from.description, to.description];
  const variants = (description: typeof a) =>
    new Map(description.variants.map((variant) => [variant.name, variant]));
  const [theirs, ours] = [variants(a), variants(b)];
  const both = [...ours.keys()].filter((name) => theirs.has(name));
  const change = (was: string, is: string) => (was === is ? undefined : { from: was, to: is });
  const licence = change(a.licence, b.licence);
  const recipe = change(a.lineage.recipe, b.lineage.recipe);
  const dataOf = ({ lineage }: typeof a) =>
    lineage.data.map(({ name, sha256 = '' }) => `${name} ${sha256}`.trim());
  return {
    from: from.version,
    to: to.version,
    metrics: [
      ...changesOf('card', a.metrics, b.metrics),
      ...both.flatMap((name) => {
        const [was, is] = [theirs.get(name), ours.get(name)];
        const measured = (variant: typeof was) => ({
          bytes: variant?.bytes ?? 0,
          edgeBytes: variant?.edgeBytes ?? 0,
          ...variant?.metrics,
        });
        return changesOf(name, measured(was), measured(is));
      }),
    ],
    variants: {
      added: without(ours.keys(), theirs.keys()),
      removed: without(theirs.keys(), ours.keys()),
      same: both.filter((name) => theirs.get(name)?.digest === ours.get(name)?.digest),
    },
    data: { added: without(dataOf(b), dataOf(a)), removed: without(dataOf(a), dataOf(b)) },
    ...(licence === undefined ? {} : { licence }),
    ...(recipe === undefined ? {} : { recipe }),
  };
}

function changesOf(
  of: string,
  from: Readonly<Record<string, number>>,
  to: Readonly<Record<string, number>>,
): MetricChange[] {
  const names = [...new Set([...Object.keys(from), ...Object.keys(to)])];
  return names.map((metric) => {
    const [was, is] = [from[metric], to[metric]];
    return {
      of,
      metric,
      ...(was === undefined ? {} : { from: was }),
      ...(is === undefined ? {} : { to: is }),
    };
  });
}

function without(these: Iterable<string>, those: Iterable<string>): string[] {
  const known = new Set(those);
  return [...these].filter((one) => !known.has(one));
}
