// What a Word document's styles say of how text looks (ECMA-376 part 1, 17.7): a style is what it says, over the one that
// it is based on.

import type { Result } from '@skerry/shared/plain';
import { ok } from '@skerry/shared/plain';
import { Parser } from 'htmlparser2';

export interface Style {
  /** Of a heading, from 1. */
  readonly level?: number;
  readonly vanish?: boolean;
  readonly white?: boolean;
  readonly shaded?: boolean;
  /** In half points. */
  readonly size?: number;
}

type Attributes = Readonly<Record<string, string>>;

const levelMax = 6;
/** Styles that are based on each other in a ring are read this deep. */
const basedOnMax = 16;

/** By the style's id. Fails as `parse` does. */
export async function readDocxStyles(
  parse: (parser: Parser) => Promise<Result<void>>,
): Promise<Result<ReadonlyMap<string, Style>>> {
  const styles = new Map<string, { readonly own: Style; readonly basedOn?: string }>();
  let id = '';
  let own: Style = {};
  let basedOn: string | undefined;
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        const value = attributes['w:val'] ?? '';
        if (name === 'w:style') {
          id = attributes['w:styleId'] ?? '';
          own = {};
          basedOn = undefined;
        } else if (name === 'w:basedOn') basedOn = value;
        else if (name === 'w:name') own = { ...own, ...levelNamed(value) };
        else if (name === 'w:outlineLvl') {
          const level = levelOf(attributes);
          if (level !== undefined) own = { ...own, level };
        } else own = { ...own, ...lookOf(name, attributes) };
      },
      onclosetag(name) {
        if (name === 'w:style') styles.set(id, basedOn === undefined ? { own } : { own, basedOn });
      },
    },
    { xmlMode: true },
  );
  const parsed = await parse(parser);
  if (!parsed.ok) return parsed;
  const whole = (of: string, deep = 0): Style => {
    const style = styles.get(of);
    if (style === undefined || deep > basedOnMax) return {};
    return {
      ...(style.basedOn === undefined ? {} : whole(style.basedOn, deep + 1)),
      ...style.own,
    };
  };
  return ok(new Map([...styles.keys()].map((of) => [of, whole(of)])));
}

function levelNamed(name: string): Style {
  if (/^title$/i.test(name)) return { level: 1 };
  const level = /^heading (?<level>[1-9])$/i.exec(name)?.groups?.['level'];
  return level === undefined ? {} : { level: Math.min(Number(level), levelMax) };
}

/** Of `w:outlineLvl`: 9 is text. */
export function levelOf(attributes: Attributes): number | undefined {
  const level = Number(attributes['w:val'] ?? '9');
  return level < 9 ? Math.min(level + 1, levelMax) : undefined;
}

/** What an element of `w:rPr` says of how text looks. */
export function lookOf(name: string, attributes: Attributes): Style {
  const value = attributes['w:val'];
  if (name === 'w:vanish') return { vanish: !['0', 'false', 'off'].includes(value ?? '') };
  if (name === 'w:color') return { white: /^f[5-9a-f]f[5-9a-f]f[5-9a-f]$/i.test(value ?? '') };
  if (name === 'w:highlight') return { shaded: value !== 'none' && value !== 'white' };
  if (name === 'w:shd') return { shaded: isShade(attributes) };
  const size = name === 'w:sz' ? Number(value) : Number.NaN;
  return Number.isNaN(size) ? {} : { size };
}

/** Of `w:shd`: whether white can be read on it. */
export const isShade = (attributes: Attributes): boolean =>
  !['auto', 'ffffff', undefined].includes(attributes['w:fill']?.toLowerCase());
