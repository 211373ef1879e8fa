/** What is written reads back, and keeps the rules of the format. */
import { describe, expect, it } from 'vitest';
import { bytes, int, node, text } from '../../../../backend/src/hosts/configuration/hvs/values.ts';
import { type HvsItem, openHvs, renderHvs } from '../../../../backend/src/hosts/configuration/index.ts';
import { brokenRules } from './independent-check.ts';
import { everyType } from './support.ts';

const reread = async (items: HvsItem[]): Promise<HvsItem[]> => (await openHvs(renderHvs(items))).tree();

describe('HyperVStorage files', () => {
  it('give back every type of value', async () => {
    expect(await reread(everyType())).toEqual(everyType());
    expect(brokenRules(renderHvs(everyType()))).toEqual([]);
  });

  it('are the same bytes for the same tree', () => {
    expect(Buffer.compare(renderHvs(everyType()), renderHvs(everyType()))).toBe(0);
  });

  it('may be empty', async () => {
    expect(await reread([])).toEqual([]);
    expect(brokenRules(renderHvs([]))).toEqual([]);
  });

  it('are asked by path', async () => {
    const hvs = await openHvs(renderHvs(everyType()));
    expect(await hvs.get('/configuration/yes')).toEqual({ type: 'bool', value: true });
    expect(await hvs.get('/configuration/metric/value')).toEqual({ type: 'int', value: 1n });
    expect(await hvs.get('/configuration/metric[2]/value')).toEqual({ type: 'int', value: 2n });
    expect(await hvs.get('/configuration/metric[3]/value')).toBeUndefined();
    expect(await hvs.get('/configuration')).toBeUndefined();
    expect(await hvs.get('/configuration/yes/no')).toBeUndefined();
    expect(await hvs.get('/constructor')).toBeUndefined();
    expect(hvs.keys()).toEqual([
      { name: 'configuration', type: 'node' },
      { name: 'besideTheRoot', type: 'int' },
    ]);
    expect(hvs.keys('/configuration/metric[2]').map(({ name }) => name)).toEqual(['guid', 'value']);
    expect(hvs.keys('/configuration/nothing')).toEqual([]);
    const paths: string[] = [];
    for await (const { path } of hvs.entries()) paths.push(path);
    expect(paths).toContain('/configuration/metric[2]/guid');
    for (const path of paths) expect(await hvs.get(path), path).toBeDefined();
  });

  it('refuse values above the limit that is given', async () => {
    const hvs = await openHvs(renderHvs([bytes('large', new Uint8Array(70_000))]));
    await expect(hvs.get('/large', 65_536)).rejects.toMatchObject({ code: 'CONFIGURATION_UNSUPPORTED' });
    expect((await hvs.get('/large'))?.type).toBe('array');
  });

  it('fill their tables exactly, whatever is left behind the last key', async () => {
    // 4086 bytes of a table minus a first key leave 0 to 60 bytes for the second one to fit, or not, by every margin.
    for (let rest = 0; rest <= 60; rest++) {
      const first = bytes('a', new Uint8Array(2000));
      const second = bytes('b', new Uint8Array(4086 - (21 + 2 + 4 + 2000) - (21 + 2 + 4) - rest));
      const items = [first, second, int('c', rest)];
      const file = renderHvs(items);
      expect(brokenRules(file), `rest ${rest}`).toEqual([]);
      expect(await (await openHvs(file)).tree(), `rest ${rest}`).toEqual(items);
    }
  });

  it('hold more objects than one table lists', async () => {
    const blobs = Array.from({ length: 700 }, (_, index) => bytes(`blob${index}`, new Uint8Array(2048).fill(index)));
    const items = [node('savedstate', ...blobs)];
    const file = renderHvs(items);
    expect(brokenRules(file)).toEqual([]);
    expect(await (await openHvs(file)).tree()).toEqual(items);
  });

  it('keep the order of thousands of keys over many tables', async () => {
    const items = Array.from({ length: 60 }, (_, outer) =>
      node(`n${outer}`, ...Array.from({ length: 60 }, (_, inner) => text(`k${59 - inner}`, `${outer}.${inner}`))),
    );
    expect(await reread(items)).toEqual(items);
    expect(brokenRules(renderHvs(items))).toEqual([]);
  });

  it('take names of up to 254 bytes and no slash or NUL', async () => {
    const name = `${'é'.repeat(126)}ab`;
    expect(Buffer.byteLength(name)).toBe(254);
    expect(await reread([int(name, 1)])).toEqual([int(name, 1)]);
    for (const bad of ['', `${name}c`, 'a/b', 'a\0']) expect(() => renderHvs([int(bad, 1)]), bad).toThrow('name');
  });

  it('nest up to 64 nodes', async () => {
    const nested = (depth: number): HvsItem => (depth === 1 ? int('leaf', 1) : node('n', nested(depth - 1)));
    expect(await reread([nested(64)])).toEqual([nested(64)]);
    expect(() => renderHvs([nested(65)])).toThrow('nested');
  });
});
