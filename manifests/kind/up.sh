#!/usr/bin/env bash
# A cluster for trying and testing on Linux, with kind 0.30 or later and 30 GB of disk: kind, Kubeflow's training operator at a pinned version, a storage emulator that pods
# and this machine reach under one address, our images, and the kind overlay. Running it again mends what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
operator='github.com/kubeflow/training-operator.git/manifests/overlays/standalone?ref=v1.9.3'
emulator=fsouza/fake-gcs-server:1.52.2
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' platen/__init__.py)

for program in kind kubectl git curl "$docker"; do
    command -v "$program" >/dev/null || { echo "$program is not installed"; exit 2; }
done

mkdir -p build
kind get clusters 2>/dev/null | grep -qx platen || kind create cluster --config manifests/kind/kind.yaml
kind export kubeconfig --name platen --kubeconfig build/kind.kubeconfig
export KUBECONFIG=$PWD/build/kind.kubeconfig

kubectl apply --server-side -k "$operator"
kubectl -n kubeflow rollout status deployment/training-operator --timeout 300s

if ! "$docker" inspect platen-storage >/dev/null 2>&1; then
    "$docker" create --name platen-storage --network kind --entrypoint sh "$emulator" -c '
        ip=$(hostname -i); exec /bin/fake-gcs-server -scheme http -backend memory -external-url "http://$ip:4443" -public-host "$ip:4443"' >/dev/null
fi
"$docker" start platen-storage >/dev/null
address=$("$docker" inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' platen-storage)

DOCKER=$docker images/build.sh
kind load docker-image --name platen "platen/light:$version" "platen/train:$version" "platen/serve:$version"
kubectl apply -k manifests/overlays/kind
curl --silent --show-error --retry 10 --retry-connrefused --max-time 20 --output /dev/null --data '{"name": "platen"}' --header 'Content-Type: application/json' "http://$address:4443/storage/v1/b?project=platen"
kubectl -n platen set env deployment/platen-serve PLATEN_WORKSPACE=gs://platen/workspace "STORAGE_EMULATOR_HOST=http://$address:4443"
kubectl -n platen patch service platen-serve --patch '{"spec": {"type": "NodePort", "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}]}}'
kubectl config set-context --current --namespace platen

echo
echo "export KUBECONFIG=$KUBECONFIG STORAGE_EMULATOR_HOST=http://$address:4443"
echo "then: platen demo --docker --settings examples/demo.yaml --settings examples/kind.yaml"
node=$("$docker" inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' platen-control-plane)
echo "  or: make test-cluster, whose tests of releases ask Services by their addresses: sudo ip route replace 10.96.0.0/16 via $node"
