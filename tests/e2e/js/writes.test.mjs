// The write features of unmodified @supabase/postgrest-js. Everything is undone by the server (tx=rollback).
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PostgrestClient } from '@supabase/postgrest-js'

const client = new PostgrestClient(process.env.SERVER_URL, { schema: 'dlm' })
const setting = () => client.from('setting')

async function written(query) {
  const { data, error, status, count } = await query.rollback()
  assert.equal(error, null)
  return { data, status, count }
}

async function refused(query) {
  const { data, error, status } = await query.rollback()
  assert.equal(data, null)
  return { code: error.code, status }
}

test('a row is added, its defaults filled in', async () => {
  const { data, status } = await written(setting().insert({ key: 'js', value: 'é"\\' }).select())
  assert.deepEqual([data, status], [[{ key: 'js', value: 'é"\\', note: 'n/a', rank: 10 }], 201])
})

test('a row is added and not shown', async () => {
  const { data, status } = await written(setting().insert({ key: 'js' }))
  assert.deepEqual([data, status], [null, 201])
})

test('rows of different keys are added by the columns that the client names', async () => {
  const rows = [{ key: 'a', rank: 1 }, { key: 'b', value: 'x' }]
  const missing = await written(setting().insert(rows, { defaultToNull: false }).select('key,rank,value'))
  assert.deepEqual(missing.data, [
    { key: 'a', rank: 1, value: null },
    { key: 'b', rank: 10, value: 'x' },
  ])
  const nulled = await written(setting().insert([{ key: 'a', value: 'x' }, { key: 'b' }]).select('value'))
  assert.deepEqual(nulled.data, [{ value: 'x' }, { value: null }])
})

test('rows are merged, or left alone', async () => {
  const row = { key: 'alpha', value: 'merged' }
  const merged = await written(setting().upsert(row).select('key,value'))
  assert.deepEqual([merged.data, merged.status], [[row], 200])
  const ignored = await written(setting().upsert(row, { onConflict: 'key', ignoreDuplicates: true }).select())
  assert.deepEqual([ignored.data, ignored.status], [[], 201])
})

test('rows are changed and counted', async () => {
  const query = setting().update({ value: 'new' }, { count: 'exact' }).eq('key', 'alpha').select('key,value').single()
  const { data, count, status } = await written(query)
  assert.deepEqual([data, count, status], [{ key: 'alpha', value: 'new' }, 1, 200])
})

test('rows are removed', async () => {
  const { data } = await written(setting().delete().in('key', ['alpha', 'no such']).select('key'))
  assert.deepEqual(data, [{ key: 'alpha' }])
  const { status } = await written(setting().delete().eq('key', 'alpha'))
  assert.equal(status, 204)
})

test('what PostgreSQL refuses is told', async () => {
  assert.deepEqual(await refused(setting().insert({ key: 'alpha' })), { code: '23505', status: 409 })
  assert.deepEqual(await refused(setting().insert({ nothing: 1 })), { code: 'PGRST204', status: 400 })
  assert.deepEqual(await refused(setting().update({ rank: 'x' }).eq('key', 'alpha')), { code: '22P02', status: 400 })
})

test('nothing of that is there', async () => {
  const { data } = await setting().select('value').eq('key', 'alpha').single()
  assert.notEqual(data.value, 'new')
})
