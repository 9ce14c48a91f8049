// The loops over a tensor's numbers, as WebAssembly text: they are compiled when they are first called, and need not run
// hot before they are fast. coder-wasm.ts holds the module that coder.ts opens; a test builds it from this text.
//
// Numbers lie one after the other, little-endian, as in the file. Where 16 bytes are taken at once a loop goes past its
// end: `reserve` leaves room. A loop that must be called often enough to be compiled well takes its bounds.

import { descriptor, memoryMap, paddingContext, startShift } from './coder-memory.ts';
import { lowestState, scale, scaleBits } from './rans.ts';

const { states, counts, otherCounts, frequencies, tables, planes } = memoryMap;

const entry = { reciprocal: 0, limit: 4, start: 8, complement: 10, shift: 12 };
const field = (name: keyof typeof entry): string => `offset=${tables + entry[name]}`;

/** In place of the target's, what takes the base's numbers to them; `float` and `sign` are masks: difference.ts. */
const difference = (lanes: string, bits: number): string => `
  (func (export "difference${bits}")
    (param $target i32) (param $base i32) (param $end i32) (param $float i32) (param $sign i32)
    (local $a v128) (local $b v128) (local $floats v128) (local $signs v128) (local $top v128)
    (local.set $floats (i32x4.splat (local.get $float)))
    (local.set $signs (${lanes}.splat (local.get $sign)))
    (local.set $top (${lanes}.splat (i32.const ${(1 << (bits - 1)) | 0})))
    (loop $next
      (local.set $a (v128.load (local.get $target)))
      (local.set $b (v128.load (local.get $base)))
      ${(['$a', '$b'] as const)
        .map(
          (
            numbers,
          ) => `(local.set ${numbers} (v128.xor (local.get ${numbers}) (v128.and (local.get $floats)
        (v128.or (local.get $top) (${lanes}.shr_s (local.get ${numbers}) (i32.const ${bits - 1}))))))`,
        )
        .join('\n      ')}
      (local.set $a (${lanes}.sub (local.get $a) (local.get $b)))
      (v128.store (local.get $target) (v128.xor
        (${lanes}.shl (local.get $a) (i32.const 1))
        (v128.and (local.get $signs) (${lanes}.shr_s (local.get $a) (i32.const ${bits - 1})))))
      (local.set $base (i32.add (local.get $base) (i32.const 16)))
      (local.set $target (i32.add (local.get $target) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $target) (local.get $end)))))`;

const xor = `
  (func (export "xor") (param $target i32) (param $base i32) (param $end i32)
    (loop $next
      (v128.store (local.get $target)
        (v128.xor (v128.load (local.get $target)) (v128.load (local.get $base))))
      (local.set $base (i32.add (local.get $base) (i32.const 16)))
      (local.set $target (i32.add (local.get $target) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $target) (local.get $end)))))`;

/** How many bits each number has, a byte for each. */
const lengths = (bytes: 2 | 4): string => `
  (func (export "lengths${8 * bytes}") (param $numbers i32) (param $lengths i32) (param $end i32)
    (loop $next
      (i32.store8 (local.get $lengths)
        (i32.sub (i32.const 32) (i32.clz (i32.load${bytes === 2 ? '16_u' : ''} (local.get $numbers)))))
      (local.set $numbers (i32.add (local.get $numbers) (i32.const ${bytes})))
      (local.set $lengths (i32.add (local.get $lengths) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $lengths) (local.get $end)))))`;

/** By each half of a byte, looked up. */
const lengths8 = `
  (func (export "lengths8") (param $numbers i32) (param $lengths i32) (param $end i32)
    (local $n v128)
    (loop $next
      (local.set $n (v128.load (local.get $numbers)))
      (v128.store (local.get $lengths) (i8x16.max_u
        (i8x16.swizzle (v128.const i8x16 0 1 2 2 3 3 3 3 4 4 4 4 4 4 4 4)
          (v128.and (local.get $n) (i8x16.splat (i32.const 15))))
        (i8x16.swizzle (v128.const i8x16 0 5 6 6 7 7 7 7 8 8 8 8 8 8 8 8)
          (i8x16.shr_u (local.get $n) (i32.const 4)))))
      (local.set $numbers (i32.add (local.get $numbers) (i32.const 16)))
      (local.set $lengths (i32.add (local.get $lengths) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $lengths) (local.get $end)))))`;

/** What the number before and the one above say of a number's length; in the first row, the one before alone. */
const expect = `
  (func (export "expect") (param $lengths i32) (param $expected i32) (param $end i32) (param $row i32)
    (local $rest i32)
    (i32.store8 (local.get $expected) (i32.const 0))
    (memory.copy (i32.add (local.get $expected) (i32.const 1)) (local.get $lengths)
      (i32.sub (local.get $row) (i32.const 1)))
    (local.set $expected (i32.add (local.get $expected) (local.get $row)))
    (if (i32.lt_u (local.get $expected) (local.get $end)) (then
      (loop $next
        (v128.store (local.get $expected) (i8x16.avgr_u (v128.load (local.get $lengths))
          (v128.load (i32.add (local.get $lengths) (i32.sub (local.get $row) (i32.const 1))))))
        (local.set $lengths (i32.add (local.get $lengths) (i32.const 16)))
        (local.set $expected (i32.add (local.get $expected) (i32.const 16)))
        (br_if $next (i32.lt_u (local.get $expected) (local.get $end)))))))`;

/** Of each number's byte at \`shift\`: 6 where a higher byte is not zero, else by how far the expected length reaches into it. */
const contexts = `
  (func (export "contexts")
    (param $lengths i32) (param $expected i32) (param $contexts i32) (param $end i32) (param $shift i32)
    (local $shifts v128) (local $above v128)
    (local.set $shifts (i8x16.splat (local.get $shift)))
    (local.set $above (i8x16.splat (i32.add (local.get $shift) (i32.const 8))))
    (loop $next
      (v128.store (local.get $contexts) (v128.bitselect
        (i8x16.splat (i32.const 6))
        (i8x16.min_u (i8x16.splat (i32.const 5)) (i8x16.avgr_u (i8x16.splat (i32.const 0))
          (i8x16.sub_sat_u (v128.load (local.get $expected)) (local.get $shifts))))
        (i8x16.gt_u (v128.load (local.get $lengths)) (local.get $above))))
      (local.set $lengths (i32.add (local.get $lengths) (i32.const 16)))
      (local.set $expected (i32.add (local.get $expected) (i32.const 16)))
      (local.set $contexts (i32.add (local.get $contexts) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $contexts) (local.get $end)))))`;

const countOne = (place: 0 | 1, at: number): string => `
      (local.set $at (i32.or
        (i32.shl (i32.load8_u offset=${place} (local.get $contexts)) (i32.const 10))
        (i32.shl (i32.load8_u (local.get $symbols)) (i32.const 2))))
      (i32.store offset=${at} (local.get $at)
        (i32.add (i32.load offset=${at} (local.get $at)) (i32.const 1)))
      (local.set $symbols (i32.add (local.get $symbols) (local.get $stride)))`;

/** Adds to how often each symbol stands in each context, in twos. Symbols lie \`stride\` bytes apart. */
const count = `
  (func (export "count") (param $contexts i32) (param $symbols i32) (param $stride i32) (param $end i32)
    (local $at i32)
    (loop $next${countOne(0, counts)}${countOne(1, otherCounts)}
      (local.set $contexts (i32.add (local.get $contexts) (i32.const 2)))
      (br_if $next (i32.lt_u (local.get $contexts) (local.get $end)))))`;

/** Both tables as one, and before \`count\` none. */
const sum = `
  (func (export "clear")
    (memory.fill (i32.const ${counts}) (i32.const 0) (i32.const ${frequencies - counts})))
  (func (export "sum")
    (local $at i32)
    (loop $next
      (v128.store offset=${counts} (local.get $at) (i32x4.add
        (v128.load offset=${counts} (local.get $at))
        (v128.load offset=${otherCounts} (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const ${otherCounts - counts})))))`;

/** One plane's bytes, one after the other. */
const gather = `
  (func (export "gather") (param $symbols i32) (param $stride i32) (param $out i32) (param $end i32)
    (loop $next
      (i32.store8 (local.get $out) (i32.load8_u (local.get $symbols)))
      (local.set $symbols (i32.add (local.get $symbols) (local.get $stride)))
      (local.set $out (i32.add (local.get $out) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $out) (local.get $end)))))`;

/** From the frequencies what \`encode\` looks up: a division by a number that is known is a multiplication. */
const makeTables = `
  (func (export "tables")
    (local $s i32) (local $sum i32) (local $f i32) (local $e i32) (local $shift i32)
    (loop $next
      (if (i32.eqz (i32.and (local.get $s) (i32.const 255))) (then (local.set $sum (i32.const 0))))
      (local.set $f (i32.load16_u offset=${frequencies} (i32.shl (local.get $s) (i32.const 1))))
      (if (i32.ge_u (local.get $s) (i32.const ${paddingContext << 8})) (then
        (local.set $f (i32.const ${scale})) (local.set $sum (i32.const 0))))
      (if (local.get $f) (then
        (local.set $e (i32.shl (local.get $s) (i32.const 4)))
        (local.set $shift (i32.sub (i32.const 32) (i32.clz (i32.sub (local.get $f) (i32.const 1)))))
        (i32.store ${field('reciprocal')} (local.get $e) (i32.wrap_i64 (i64.div_u
          (i64.add (i64.extend_i32_u (i32.sub (local.get $f) (i32.const 1)))
            (i64.shl (i64.const ${2 ** 31}) (i64.extend_i32_u (local.get $shift))))
          (i64.extend_i32_u (local.get $f)))))
        (i32.store ${field('limit')} (local.get $e) (i32.shl (local.get $f) (i32.const ${31 - scaleBits})))
        (i32.store16 ${field('start')} (local.get $e) (local.get $sum))
        (i32.store16 ${field('complement')} (local.get $e)
          (i32.sub (i32.const ${scale}) (local.get $f)))
        (i32.store8 ${field('shift')} (local.get $e) (i32.add (local.get $shift) (i32.const 31)))))
      (local.set $sum (i32.add (local.get $sum) (local.get $f)))
      (local.set $s (i32.add (local.get $s) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $s) (i32.const ${(paddingContext + 1) << 8})))))`;

const lanes = [3, 2, 1, 0];

/** One symbol by the state whose turn it is. A word is always written, and kept where \`out\` moves on. */
const encodeOne = (lane: number): string => `
      (local.set $symbols (i32.sub (local.get $symbols) (local.get $stride)))
      (local.set $e (i32.or
        (i32.shl (i32.load8_u offset=${lane} (local.get $contexts)) (i32.const 12))
        (i32.shl (i32.load8_u (local.get $symbols)) (i32.const 4))))
      (i32.store16 (i32.sub (local.get $out) (i32.const 2)) (local.get $x${lane}))
      (local.set $over (i32.ge_u (local.get $x${lane}) (i32.load ${field('limit')} (local.get $e))))
      (local.set $out (i32.sub (local.get $out) (i32.shl (local.get $over) (i32.const 1))))
      (local.set $x${lane} (i32.shr_u (local.get $x${lane}) (i32.shl (local.get $over) (i32.const 4))))
      (local.set $x${lane} (i32.add
        (i32.add (local.get $x${lane}) (i32.load16_u ${field('start')} (local.get $e)))
        (i32.mul (i32.load16_u ${field('complement')} (local.get $e)) (i32.wrap_i64 (i64.shr_u
          (i64.mul (i64.extend_i32_u (local.get $x${lane})) (i64.load32_u ${field('reciprocal')} (local.get $e)))
          (i64.load8_u ${field('shift')} (local.get $e)))))))`;

/**
 * Numbers in fours, from the last on: \`contexts\` and \`symbols\` are where they end, \`begin\` where the contexts begin.
 * Words are written before \`out\`; the result is where they begin.
 */
const encode = `
  (func (export "encode")
    (param $contexts i32) (param $symbols i32) (param $stride i32) (param $begin i32) (param $out i32)
    (result i32)
    (local $e i32) (local $over i32) ${lanes.map((lane) => `(local $x${lane} i32)`).join(' ')}
    ${lanes.map((lane) => `(local.set $x${lane} (i32.load (i32.const ${states + 4 * lane})))`).join('\n    ')}
    (loop $next
      (local.set $contexts (i32.sub (local.get $contexts) (i32.const 4)))${lanes.map(encodeOne).join('')}
      (br_if $next (i32.gt_u (local.get $contexts) (local.get $begin))))
    ${lanes.map((lane) => `(i32.store (i32.const ${states + 4 * lane}) (local.get $x${lane}))`).join('\n    ')}
    (local.get $out))`;

const planeField = (name: 'kind' | 'input' | 'symbols' | 'slots'): string =>
  `offset=${planes + descriptor[name]}`;

/** The symbol whose turn it is, in \`$symbol\`. [tensor-encoder.ts has the other way] */
const decodeOne = `
          (local.set $context (select (i32.const 6)
            (select (i32.const 5) (local.tee $reach (i32.shr_u (i32.add (i32.const 1)
              (select (i32.sub (local.get $expected) (local.get $shift)) (i32.const 0)
                (i32.gt_s (local.get $expected) (local.get $shift)))) (i32.const 1)))
              (i32.gt_u (local.get $reach) (i32.const 5)))
            (local.get $number)))
          (local.set $state (i32.add (local.get $plane)
            (i32.shl (i32.and (local.get $i) (local.get $turns)) (i32.const 2))))
          (local.set $x (i32.load offset=${planes + descriptor.states} (local.get $state)))
          (local.set $slot (i32.and (local.get $x) (i32.const ${scale - 1})))
          (local.set $symbol (i32.load8_u (i32.add (i32.load ${planeField('slots')} (local.get $plane))
            (i32.or (i32.shl (local.get $context) (i32.const ${scaleBits})) (local.get $slot)))))
          (local.set $f (i32.load (i32.add (i32.load ${planeField('symbols')} (local.get $plane))
            (i32.shl (i32.or (i32.shl (local.get $context) (i32.const 8)) (local.get $symbol)) (i32.const 2)))))
          (local.set $x (i32.sub
            (i32.add (local.get $slot) (i32.mul
              (i32.and (local.get $f) (i32.const 65535))
              (i32.shr_u (local.get $x) (i32.const ${scaleBits}))))
            (i32.shr_u (local.get $f) (i32.const ${startShift}))))
          (if (i32.lt_u (local.get $x) (i32.const ${lowestState})) (then
            (local.set $input (i32.load ${planeField('input')} (local.get $plane)))
            (local.set $x (i32.or (i32.shl (local.get $x) (i32.const 16)) (i32.load16_u (local.get $input))))
            (i32.store ${planeField('input')} (local.get $plane) (i32.add (local.get $input) (i32.const 2)))))
          (i32.store offset=${planes + descriptor.states} (local.get $state) (local.get $x))`;

/** Numbers \`i\` to \`end\`, from the highest byte on; \`turns\` is one less than there are states. */
const decode = `
  (func (export "decode")
    (param $numbers i32) (param $lengths i32) (param $width i32) (param $row i32) (param $turns i32)
    (param $i i32) (param $end i32)
    (local $expected i32) (local $number i32) (local $plane i32) (local $shift i32) (local $kind i32)
    (local $symbol i32) (local $context i32) (local $reach i32) (local $state i32) (local $x i32)
    (local $slot i32) (local $f i32) (local $input i32)
    (loop $next
      (local.set $expected (i32.const 0))
      (if (local.get $i) (then
        (local.set $expected
          (i32.load8_u (i32.add (local.get $lengths) (i32.sub (local.get $i) (i32.const 1)))))
        (if (i32.ge_u (local.get $i) (local.get $row)) (then
          (local.set $expected (i32.shr_u (i32.add (i32.add (local.get $expected) (i32.const 1))
            (i32.load8_u (i32.add (local.get $lengths) (i32.sub (local.get $i) (local.get $row)))))
            (i32.const 1)))))))
      (local.set $number (i32.const 0))
      (local.set $plane (i32.const 0))
      (local.set $shift (i32.shl (local.get $width) (i32.const 3)))
      (loop $lower
        (local.set $shift (i32.sub (local.get $shift) (i32.const 8)))
        (local.set $symbol (i32.const 0))
        (local.set $kind (i32.load ${planeField('kind')} (local.get $plane)))
        (if (i32.eq (local.get $kind) (i32.const 2)) (then${decodeOne}))
        (if (i32.eq (local.get $kind) (i32.const 1)) (then
          (local.set $input (i32.load ${planeField('input')} (local.get $plane)))
          (local.set $symbol (i32.load8_u (local.get $input)))
          (i32.store ${planeField('input')} (local.get $plane) (i32.add (local.get $input) (i32.const 1)))))
        (local.set $number (i32.or (i32.shl (local.get $number) (i32.const 8)) (local.get $symbol)))
        (local.set $plane (i32.add (local.get $plane) (i32.const ${descriptor.bytes})))
        (br_if $lower (local.get $shift)))
      (i32.store (i32.add (local.get $numbers) (i32.mul (local.get $i) (local.get $width))) (local.get $number))
      (i32.store8 (i32.add (local.get $lengths) (local.get $i))
        (i32.sub (i32.const 32) (i32.clz (local.get $number))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $end)))))`;

export const coderWat = `(module
  (memory (export "memory") 1)${[
    difference('i8x16', 8),
    difference('i16x8', 16),
    difference('i32x4', 32),
    xor,
    lengths8,
    lengths(2),
    lengths(4),
    expect,
    contexts,
    count,
    sum,
    gather,
    makeTables,
    encode,
    decode,
  ].join('')})`;
