// SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Drives a pool by the npm package xen-api, and writes what it has seen as JSON: drive.mjs <URL> <user> <password>
import { createHash, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import path from 'node:path'

// The package lies where npm has installed it, not beside this file.
const require = createRequire(path.join(process.cwd(), 'package.json'))
const { createClient } = await import(pathToFileURL(require.resolve('xen-api')).href)

const [url, user, password] = process.argv.slice(2)
const SIZE = 4 * 1024 * 1024
const content = randomBytes(SIZE)
const digest = data => createHash('sha256').update(data).digest('hex')

const client = createClient({ allowUnauthorized: true, auth: { user, password }, url })
await client.connect()
try {
  // The client keeps a copy of all objects by event.from.
  await client.objectsFetched
  const sr = client.pool.$default_SR
  const vdi = await client.callAsync('VDI.create', {
    name_label: 'by npm', name_description: '', SR: sr.$ref, virtual_size: SIZE, type: 'user',
    sharable: false, read_only: false, other_config: {}, xenstore_data: {}, sm_config: {}, tags: [],
  })
  const watched = await client.barrier(vdi)
  const query = { format: 'raw', vdi }
  await client.putResource(content, '/import_raw_vdi/', { query, task: true })
  const answer = await client.getResource('/export_raw_vdi/', { query, task: true })
  const chunks = []
  for await (const chunk of answer.body ?? answer) chunks.push(chunk)
  const refused = await client.call('VDI.get_record', 'OpaqueRef:nothing').then(() => null, error => error.code)
  await client.callAsync('VDI.destroy', vdi)
  process.stdout.write(JSON.stringify({
    pool: client.pool.uuid, watched: watched.name_label, size: watched.virtual_size,
    sent: digest(content), received: digest(Buffer.concat(chunks)), refused,
  }) + '\n')
} finally {
  await client.disconnect()
}
