// Unmodified @supabase/postgrest-js against the server at SERVER_URL, with the conformance schema and data.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PostgrestClient } from '@supabase/postgrest-js'

const client = new PostgrestClient(process.env.SERVER_URL, { schema: 'dlm' })

async function read(query) {
  const { data, error } = await query
  assert.equal(error, null)
  return data
}

async function refused(query) {
  const { data, error, status } = await query
  assert.equal(data, null)
  return { code: error.code, details: error.details, message: error.message, status }
}

const names = async (query) => (await read(query)).map((row) => row.storage_name)
const storage = () => client.from('storage').select('storage_name')
const lone = () => client.from('lone').select('*')

test('columns, aliases and casts', async () => {
  const [row] = await read(client.from('sample').select('nr:id,channel::text').eq('id', 1))
  assert.deepEqual(Object.keys(row), ['nr', 'channel'])
  assert.equal(typeof row.channel, 'string')
})

test('values and lists that need escaping', async () => {
  const found = await names(storage().in('storage_name', ['zürich_50%', 'eu-bucket']).order('storage_name'))
  assert.deepEqual(found.sort(), ['eu-bucket', 'zürich_50%'])
})

test('comparisons and patterns', async () => {
  assert.deepEqual(await read(client.from('sample').select('id').gt('id', 4997).lte('id', 4999).order('id')), [
    { id: 4998 },
    { id: 4999 },
  ])
  assert.deepEqual(await names(storage().like('storage_name', 'eu-%').order('storage_name')), [
    'eu-bucket',
    'eu-glacier',
  ])
  assert.deepEqual(await names(storage().ilike('storage_name', 'UK-%')), ['uk-archive'])
  assert.deepEqual(await names(storage().likeAnyOf('storage_name', ['uk-%', 'karoo-%']).order('storage_name')), [
    'karoo-buffer',
    'uk-archive',
  ])
  assert.deepEqual(await names(storage().match({ storage_name: 'uk-archive' })), ['uk-archive'])
})

test('or, not and null', async () => {
  const query = storage().or('storage_type.eq.tape,storage_name.like.eu-*').not('storage_checked', 'is', null)
  assert.deepEqual(await names(query.order('storage_name')), ['eu-bucket', 'eu-glacier', 'perth-tape', 'uk-archive'])
})

test('order, limit and range', async () => {
  const query = storage().order('storage_num_objects', { ascending: false, nullsFirst: false }).range(1, 2)
  assert.deepEqual(await names(query), ['eu-bucket', 'karoo-buffer'])
  assert.deepEqual(await read(client.from('sample').select('id').order('id').limit(2)), [{ id: 1 }, { id: 2 }])
})

test('counts, with and without rows', async () => {
  const page = await client.from('sample').select('id', { count: 'exact' }).limit(1)
  assert.deepEqual([page.data.length, page.count, page.status], [1, 5000, 206])
  const head = await client.from('storage').select('*', { count: 'exact', head: true })
  assert.deepEqual([head.data, head.count, head.error], [null, 8, null])
  for (const count of ['planned', 'estimated']) {
    assert.equal(typeof (await client.from('storage').select('*', { count })).count, 'number')
  }
})

test('single and maybeSingle', async () => {
  assert.deepEqual(await read(lone().single()), { id: 1, label: 'only row' })
  assert.deepEqual(await read(lone().maybeSingle()), { id: 1, label: 'only row' })
  assert.equal(await read(client.from('empty_bin').select('*').maybeSingle()), null)
  const none = await refused(client.from('empty_bin').select('*').single())
  assert.deepEqual([none.status, none.code, none.details], [406, 'PGRST116', 'The result contains 0 rows'])
})

test('CSV', async () => {
  assert.equal(await read(lone().csv()), 'id,label\n1,"only row"')
})

test('execution plans are refused where they are not enabled, and explained where they are', async () => {
  const { data, error } = await lone().explain()
  assert.ok(error === null ? data.includes('lone') : error.code === 'PGRST107')
})

test('embeds, with inner joins, filters and order', async () => {
  assert.deepEqual(
    await read(client.from('storage').select('storage_name,location(location_name)').eq('storage_name', 'uk-archive')),
    [{ storage_name: 'uk-archive', location: { location_name: 'manchester' } }],
  )
  const inner = client.from('storage').select('storage_name,location!inner(location_name)')
  assert.ok((await read(inner.eq('location.location_name', 'manchester'))).some((row) => row.storage_name === 'uk-archive'))
  const many = await read(
    client
      .from('location')
      .select('location_name,storage(storage_name)')
      .eq('location_name', 'manchester')
      .order('storage_name', { referencedTable: 'storage', ascending: false })
      .limit(1, { referencedTable: 'storage' }),
  )
  assert.deepEqual(many.map((row) => row.storage.length), [1])
})

test('functions, by POST and by GET', async () => {
  const posted = await read(client.rpc('add_them', { a: 1, b: 2 }))
  const got = await read(client.rpc('add_them', { a: 1, b: 2 }, { get: true }))
  assert.deepEqual([posted, got], [3, 3])
  assert.equal((await refused(client.rpc('nothing_at_all'))).code, 'PGRST202')
})

test('another schema', async () => {
  const [row] = await read(client.schema('zoo').from('Star Chart').select('*').limit(1))
  assert.ok('Chart No' in row)
})

test('errors in their shape', async () => {
  const cases = [
    [client.schema('nowhere').from('lone').select('*'), 'PGRST106'],
    [client.from('nothing').select('*'), 'PGRST205'],
    [client.from('lone').select('nothing'), '42703'],
    [client.from('lone').select('id,'), 'PGRST100'],
    [client.from('inbox').select('*'), '42501'],
    [lone().eq('id', 'x'), '22P02'],
  ]
  for (const [query, code] of cases) assert.equal((await refused(query)).code, code)
})
