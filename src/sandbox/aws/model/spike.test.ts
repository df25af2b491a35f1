import { test } from 'bun:test'
import { startAwsFixture, REGION } from '../aws-fixture.suite.ts'
import { signRequest } from '../../../aws/sign.ts'
import { Secret } from '../../../lib/secret.ts'
import { State } from '../../state.ts'
import { createAws } from '../aws.ts'
import { createLog, silentLog } from '../../../lib/log.ts'
test('x', async () => {
  const f = await startAwsFixture()
  const t0 = performance.now()
  for (let i=0;i<100;i++) createAws({state:new State(),clock:f.clock,log:silentLog,accountIds:['111122223333','444455556666'],region:REGION,names:f.names,issuerKeyCacheMs:1e12})
  console.log('createAws', (performance.now()-t0)/100)
  const creds={accessKeyId:f.admin.accessKeyId,secretAccessKey:new Secret(f.admin.secretAccessKey)}
  const body='Action=GetRole&Version=2010-05-08&RoleName=abc'
  let sign=0,handle=0
  for (let i=0;i<2000;i++){
    const a=performance.now()
    const headers=await signRequest({method:'POST',url:'http://127.0.0.1/',headers:{'content-type':'application/x-www-form-urlencoded'},body},creds,{service:'iam',region:REGION,clock:f.clock})
    const b=performance.now()
    const r=await f.aws.handler(new Request('http://127.0.0.1/',{method:'POST',headers,body}),{address:'127.0.0.1',port:1})
    await r.text()
    const c=performance.now()
    sign+=b-a;handle+=c-b
  }
  console.log('sign',sign/2000,'handle',handle/2000)
  await f.stop()
})
