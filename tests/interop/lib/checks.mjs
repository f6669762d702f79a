// What a suite says about itself: one line a check, counted by run.mjs.

import { inspect } from 'node:util';

export class Checks {
  passed = 0;
  failed = 0;

  /** @param {(line: string) => void} print */
  constructor(print) {
    this.print = print;
  }

  ok(condition, title, detail) {
    if (condition) {
      this.passed += 1;
      this.print(`  ok    ${title}`);
    } else {
      this.fail(title, detail);
    }
    return Boolean(condition);
  }

  equal(actual, expected, title) {
    return this.ok(
      JSON.stringify(actual) === JSON.stringify(expected),
      title,
      `expected ${inspect(expected)}, got ${inspect(actual)}`,
    );
  }

  match(text, pattern, title) {
    return this.ok(pattern.test(String(text)), title, `${pattern} does not match ${inspect(text)}`);
  }

  fail(title, detail) {
    this.failed += 1;
    this.print(`  FAIL  ${title}`);
    const text = detail instanceof Error ? detail.stack : detail;
    if (text) this.print(String(text).replace(/^/gm, '          '));
  }
}
